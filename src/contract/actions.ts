/** The promises of every connection and action, over any transport. */
import { memoryCache } from "../cache/memory.ts";
import { connectionSchema } from "../config/file.ts";
import { validatorFor } from "../core/check.ts";
import { escapeProblem } from "../core/slot.ts";
import { createSessions } from "../flow/sessions.ts";
import type { JsonObject, Outcome } from "../model.ts";
import { createNetwork } from "../network/network.ts";
import type { Clock } from "../ports/clock.ts";
import type { Action, Connection, Provider } from "../ports/provider.ts";
import type { Behaviour, StandIn, StandInServer, Transport } from "../sandbox/stand-in.ts";
import { type Clause, demand, demandEqual, demandNone, shown } from "./clause.ts";
import { httpTransport } from "./http.ts";

const NOW_MS = Date.UTC(2026, 0, 5, 9);
const KEY = "dlv_0123456789abcdef";
const CREDENTIAL = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ACCOUNT = "bot@example.com";
/** Longer than any exchange on this machine takes. */
const ATTEMPT_MS = 10_000;
const CLOCK: Clock = { now: () => NOW_MS, monotonic: () => 0, sleep: () => new Promise(() => {}) };

interface Schema {
  properties?: Record<string, Schema>;
  secret?: boolean;
  type?: string;
  description?: string;
  anyOf?: unknown;
  const?: unknown;
}

export function connectionClauses(provider: Provider, connection: Connection, standIn: StandIn): Clause[] {
  const subject = `${provider.name} (connection)`;
  return [
    {
      subject,
      text: "takes its own keys and the common ones, and refuses unknown ones",
      async hold() {
        const validate = validatorFor(connectionSchema(provider) ?? {});
        const listening = await transportOf(standIn).listen({ kind: "refuses" });
        await listening.close();
        const settings = {
          provider: provider.name,
          ...settingsOf(connection, listening),
          allowPrivate: true,
          concurrency: 2,
        };
        demandNone(validate(settings), "its own settings are refused");
        demand(validate({ ...settings, concurrency: 65 }).length > 0, "concurrency 65 is not refused");
        demand(
          validate({ ...settings, unknownKey: 1 }).length > 0,
          "an unknown key is not refused; set additionalProperties: false",
        );
      },
    },
    {
      subject,
      text: "has actions, and its markup by name",
      async hold() {
        demand(Object.keys(connection.actions).length > 0, "it has no actions");
        for (const [name, harmless] of Object.entries(connection.escapes ?? {})) {
          demand(typeof harmless("a < b") === "string", `the escape "${name}" gives no text`);
        }
      },
    },
  ];
}

export function actionClauses(provider: Provider, connection: Connection, standIn: StandIn): Clause[] {
  return Object.entries(connection.actions).flatMap(([name, action]) => {
    const bench: Bench = { provider, connection, name, action, transport: transportOf(standIn) };
    const clauses = { ...formClauses(bench), ...deedClauses(bench), ...guardClauses(bench) };
    const subject = `${provider.name}.${name}`;
    return Object.entries(clauses).map(([text, hold]): Clause => ({ subject, text, hold }));
  });
}

interface Bench {
  provider: Provider;
  connection: Connection;
  name: string;
  action: Action;
  transport: Transport;
}

type Clauses = Record<string, () => Promise<void>>;

function formClauses({ action, connection, name }: Bench): Clauses {
  return {
    "documents its parameters, takes its own example and refuses what it does not know": async () => {
      demand(action.summary !== "", "summary is empty");
      const validate = validatorFor(action.params);
      demandNone(validate(action.example), "its example is refused");
      const stranger = { ...action.example, unknownParameter: 1 };
      demand(validate(stranger).length > 0, "an unknown parameter is not refused; set additionalProperties: false");
      const { properties = {} } = action.params as Schema;
      for (const [key, schema] of Object.entries(properties)) {
        demand(/description|anyOf|const/.test(JSON.stringify(schema)), `the parameter "${key}" has no description`);
      }
      const problem = escapeProblem({ [name]: action }, connection.escapes);
      demand(problem === undefined, String(problem));
    },
  };
}

function deedClauses(bench: Bench): Clauses {
  const { action, name, transport } = bench;
  const answers = transport.answers.map(({ says, answer, outcome: expected }): [string, () => Promise<void>] => [
    `${says}: ${expected?.kind ?? "not done"}`,
    async () => {
      const { outcome } = await performed(bench, { kind: "answers", answer });
      if (!expected) return demand(outcome.kind !== "done", "the outcome is done");
      const actual = { kind: outcome.kind, ...afterOf(outcome), ...statusOf(outcome) };
      demandEqual({ ...actual, ...expected }, actual, "the outcome");
    },
  ]);
  return {
    "is done when the other side confirms, gives what it declares, and has sent its key when it says so": async () => {
      const { outcome, requests } = await performed(bench, { kind: "confirms", action: name });
      demand(outcome.kind === "done", `the outcome is ${shown(outcome)}; say in its stand-in what the system answers`);
      demand(requests.length > 0, "nothing was sent");
      const { result } = outcome;
      if (action.result)
        demandNone(validatorFor(action.result)(result ?? {}), `the result ${shown(result)} is not as declared`);
      demand(action.result !== undefined || result === undefined, `declare the result ${shown(result)} as a schema`);
      const hasKey = requests.some(({ text }) => text.includes(KEY));
      demand(action.idempotency !== "key" || hasKey, 'idempotency is "key", and the key was not sent');
    },
    ...Object.fromEntries(answers),
    "is tried again when nobody listens": async () => {
      const { outcome } = await performed(bench, { kind: "refuses" }, { isGone: true });
      demandEqual(outcome.kind, "retry", "the outcome");
    },
    "is uncertain when the connection breaks after the request was taken, unless asking again does no harm":
      async () => {
        const { outcome, requests } = await performed(bench, { kind: "breaks" });
        const isHarmless = action.idempotency === "state" || requests.at(-1)?.reads === true;
        const allowed = isHarmless ? ["retry", "uncertain"] : ["uncertain"];
        demand(allowed.includes(outcome.kind), `the outcome is ${outcome.kind}, and should be ${allowed.join(" or ")}`);
      },
    "is not done when the other side refuses": async () => {
      const { outcome } = await performed(bench, { kind: "refuses" });
      demand(outcome.kind !== "done", "the outcome is done");
    },
  };
}

function guardClauses(bench: Bench): Clauses {
  return {
    "calls no private address unless the connection allows it": async () => {
      const { outcome, requests } = await performed(
        bench,
        { kind: "confirms", action: bench.name },
        { allowPrivate: false },
      );
      const code = outcome.kind === "done" ? undefined : outcome.error.code;
      demandEqual({ kind: outcome.kind, code }, { kind: "rejected", code: "PRIVATE_ADDRESS" }, "the outcome");
      demandEqual(requests.length, 0, "the number of requests");
    },
    "shows no credential in a failure": async () => {
      const basic = Buffer.from(`${ACCOUNT}:${CREDENTIAL}`).toString("base64");
      const redact = (text: string) => text.replaceAll(CREDENTIAL, "***").replaceAll(basic, "***");
      const failures = [
        await performed(bench, { kind: "refuses" }, { isGone: true }),
        await performed(bench, { kind: "breaks" }),
        await performed(bench, { kind: "refuses" }, { redact }),
      ];
      for (const { outcome } of failures) {
        const text = JSON.stringify(outcome);
        demand(!text.includes(CREDENTIAL) && !text.includes(basic), `the credential stands in ${redact(text)}`);
      }
    },
  };
}

// ---------------------------------------------------------------- one attempt

interface Conditions {
  redact?: (text: string) => string;
  allowPrivate?: boolean;
  /** The stand-in no longer listens. */
  isGone?: boolean;
}

async function performed(
  bench: Bench,
  behaviour: Behaviour<unknown>,
  { redact = (text) => text, allowPrivate = true, isGone = false }: Conditions = {},
): Promise<{ outcome: Outcome; requests: StandInServer["requests"] }> {
  const { provider, connection, action } = bench;
  const listening = await bench.transport.listen(behaviour);
  if (isGone) await listening.close();
  const network = createNetwork({ allowPrivate, redact });
  const config = { name: provider.name, provider: provider.name, settings: settingsOf(connection, listening) };
  const sessions = createSessions(new Map([[provider.name, { config, provider, network }]]), CLOCK);
  const signal = AbortSignal.timeout(ATTEMPT_MS);
  try {
    const attempt = sessions.use(provider.name, (session) =>
      action.perform(action.example, {
        connection: config,
        session,
        idempotencyKey: KEY,
        attempt: 1,
        nowMs: NOW_MS,
        network: network.during(signal),
        cache: memoryCache({ clock: CLOCK }),
      }),
    );
    return { outcome: await Promise.race([attempt, lateness(signal)]), requests: listening.requests };
  } finally {
    await sessions.close();
    await network.close();
    if (!isGone) await listening.close();
  }
}

function lateness(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new Error(`It does not end within ${ATTEMPT_MS} ms`)));
  });
}

/** Every key of the connection that holds an address, an account or a credential. */
function settingsOf({ settings: schema }: Connection, { settings }: StandInServer): JsonObject {
  const { properties = {} } = schema as Schema;
  const values = Object.entries(properties).map(([name, { secret, type }]) => {
    if (Object.hasOwn(settings, name)) return [name, settings[name]];
    if (name === "email" || name === "username") return [name, ACCOUNT];
    return [name, secret && type === "string" ? CREDENTIAL : undefined];
  });
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

function transportOf({ transport, answers = {} }: StandIn): Transport {
  return transport ?? (httpTransport(answers, CREDENTIAL) as Transport);
}

function afterOf(outcome: Outcome): { afterMs?: number } {
  return "afterMs" in outcome && outcome.afterMs !== undefined ? { afterMs: outcome.afterMs } : {};
}

function statusOf(outcome: Outcome): { status?: number } {
  return outcome.kind !== "done" && outcome.error.status !== undefined ? { status: outcome.error.status } : {};
}
