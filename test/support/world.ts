/** The flow without loops or sockets, pumped by hand on a virtual clock, with an outside that records what reaches it. */
import { createHmac, randomUUID } from "node:crypto";
import { Type } from "typebox";
import { memoryCache } from "../../src/cache/memory.ts";
import { createFlow, type Flow } from "../../src/flow/flow.ts";
import type { Json, JsonObject, Outcome } from "../../src/model.ts";
import { compilePolicy, type PolicyFiles } from "../../src/policy/policy.ts";
import { compileStored, createDefinitions } from "../../src/policy/running.ts";
import type { SharedNetwork } from "../../src/ports/network.ts";
import type { Observation } from "../../src/ports/observe.ts";
import type { Provider, Webhook } from "../../src/ports/provider.ts";
import type { Store } from "../../src/ports/store.ts";
import { responseOf } from "../../src/web/ingest.ts";
import type { TextResponse } from "../../src/web/problem.ts";
import { type WoundClock, woundClock } from "./clock.ts";

const SECRET = "a secret of the tests";

/** What reached the outside: one row per attempt. */
export interface Seen {
  key: string;
  action: string;
  params: JsonObject;
  attempt: number;
}

/** Decides what the outside answers; `taken: false` = the request never had an effect. */
export type Answering = (seen: Seen) => { taken: boolean; outcome: Outcome | Promise<Outcome> };

export interface World {
  clock: WoundClock;
  /** Effects that happened outside, in order. */
  effects: Seen[];
  observations: Observation[];
  flow(): Flow;
  send(event: { type: string; id: string; data: JsonObject }): Promise<TextResponse>;
  /** Runs every arrow until nothing moves at this moment. */
  settle(): Promise<void>;
  /** Forgets everything but what is stored and the outside. */
  restart(store: Store): void;
}

const UNREACHABLE = { kind: "refused", code: "ENETUNREACH", detail: "no network in this test" } as const;

export const NO_NETWORK: SharedNetwork = {
  http: { request: async () => ({ ...UNREACHABLE, ms: 0 }) },
  lookup: (_name, _options, callback) => callback(new Error(UNREACHABLE.detail), "", 0),
  address: () => Promise.reject(new Error(UNREACHABLE.detail)),
  connect: async () => UNREACHABLE,
  redact: (text) => text,
  signal: new AbortController().signal,
  during: () => NO_NETWORK,
};

export interface WorldOptions {
  store: Store;
  files: PolicyFiles;
  answer?: Answering;
  clock?: WoundClock;
  /** Whether the action can look for an earlier effect. */
  probes?: boolean;
}

export function createWorld({ store, files, answer, clock = woundClock(), probes = false }: WorldOptions): World {
  const effects: Seen[] = [];
  const observations: Observation[] = [];
  const provider = recordingProvider(
    effects,
    answer ?? (() => ({ taken: true, outcome: { kind: "done", result: {} } })),
    probes,
  );
  const actions = new Map(
    Object.entries(provider.connection?.actions ?? {}).map(([name, action]) => [`out.${name}`, action]),
  );
  const { policy, diagnostics: problems } = compilePolicy(files, { actions, vars: {} });
  if (!policy) throw new Error(JSON.stringify(problems, null, 2));
  const wire = (store: Store) =>
    createFlow({
      ...{ node: randomUUID(), store, clock, cache: memoryCache({ clock }) },
      observe: (observation) => void observations.push(observation),
      policy: () => policy,
      definition: createDefinitions(store, (id, definition) => compileStored(id, definition, policy, actions)),
      connections: new Map([
        [
          "out",
          { config: { name: "out", provider: "out", settings: {} }, provider, network: NO_NETWORK, concurrency: 16 },
        ],
      ]),
      sources: [
        {
          config: { name: "in", provider: "out", secrets: [SECRET], settings: {} },
          source: provider.source as Webhook,
          network: NO_NETWORK,
          paths: ["/hooks/in"],
          bodyBytesMax: 1024 * 1024,
        },
      ],
    });
  let flow = wire(store);

  return {
    clock,
    effects,
    observations,
    flow: () => flow,
    async send(event) {
      const body = Buffer.from(JSON.stringify(event));
      const signature = createHmac("sha256", SECRET).update(body).digest("hex");
      const headers = { "content-type": "application/json", "x-signature": signature };
      const request = { method: "POST", path: "/hooks/in", query: "", headers, body };
      const requestId = `req-${event.id}`;
      const result = await flow.receiver.receive(request, flow.receiver.route("/hooks/in")!, requestId);
      return responseOf(result, requestId);
    },
    async settle() {
      await flow.settle();
    },
    restart(next) {
      flow = wire(next);
    },
  };
}

function recordingProvider(effects: Seen[], answer: Answering, probes: boolean): Provider {
  const perform = async (
    params: JsonObject,
    { idempotencyKey, attempt }: { idempotencyKey: string; attempt: number },
  ) => {
    const seen: Seen = { key: idempotencyKey, action: "post", params, attempt };
    const { taken, outcome } = answer(seen);
    if (taken) effects.push(seen);
    return outcome;
  };
  return {
    name: "out",
    summary: "What the tests call the outside",
    source: {
      kind: "webhook",
      summary: "Signed JSON",
      settings: Type.Object({}),
      needsSecret: true,
      contentTypes: ["application/json"],
      events: {},
      verify: ({ headers, body }) =>
        headers["x-signature"] === createHmac("sha256", SECRET).update(body).digest("hex")
          ? { ok: true }
          : { ok: false, reason: "signature_mismatch" },
      normalise({ body }) {
        const { type, id, data } = JSON.parse(body.toString()) as { type: string; id: string; data: JsonObject };
        const { subject, tickets } = data as { subject?: string; tickets?: string[] };
        const attributes = { ...(subject ? { subject } : {}), ...(tickets ? { tickets } : {}) };
        return { kind: "events", events: [{ type, delivery: id, data, ...attributes }] };
      },
    },
    connection: {
      settings: Type.Object({}),
      actions: {
        post: {
          summary: "Records what it is given",
          params: Type.Object({ text: Type.Unknown() }, { additionalProperties: true }),
          example: { text: "hello" },
          idempotency: probes ? "read-before-write" : "none",
          perform,
          ...(probes
            ? {
                async probe(
                  _params: JsonObject,
                  { idempotencyKey }: { idempotencyKey: string },
                ): Promise<Outcome | undefined> {
                  const found = effects.find(({ key }) => key === idempotencyKey);
                  return found ? { kind: "done", result: { found: true } as Json } : undefined;
                },
              }
            : {}),
        },
      },
    },
  };
}
