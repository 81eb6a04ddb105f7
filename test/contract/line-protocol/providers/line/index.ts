/** A system that speaks lines over TCP: `LOGIN <token>`, then `SAY <key> <base64>`; it answers `OK …`, `LATER <seconds>` or `NO <reason>`. */
import type { Socket } from "node:net";
import { type Static, Type } from "typebox";
import type { NoResponse } from "../../../../../src/ports/network.ts";
import type { Action, Connection, Opened, Provider } from "../../../../../src/ports/provider.ts";
import { outcomeOf } from "../../../../../src/providers/kit/answer.ts";

const Settings = Type.Object(
  {
    host: Type.String({ minLength: 1, description: "Name or address" }),
    port: Type.Integer({ minimum: 1, maximum: 65_535 }),
    token: Type.String({ secret: true, description: "What it is logged in with" }),
  },
  { additionalProperties: false },
);
type Settings = Static<typeof Settings>;

const Params = Type.Object(
  { text: Type.String({ minLength: 1, description: "What is said", escape: "line" }) },
  { additionalProperties: false },
);
type Params = Static<typeof Params>;

/** A connection on which requests may overlap; answers come in their order. */
interface Session {
  ask(request: string): Promise<{ kind: "line"; text: string } | NoResponse>;
  end(): void;
}

function sessionOf(socket: Socket, onEnd: () => void): Session {
  const waiting: ((answer: { kind: "line"; text: string } | NoResponse) => void)[] = [];
  let rest = "";
  socket.setEncoding("utf8").on("data", (chunk) => {
    const lines = `${rest}${chunk}`.split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) waiting.shift()?.({ kind: "line", text });
  });
  socket.once("close", () => {
    onEnd();
    for (const answer of waiting.splice(0)) {
      answer({ kind: "uncertain", code: "ECONNRESET", detail: "The connection ended before it answered" });
    }
  });
  return {
    ask: (request) =>
      new Promise((resolve) => {
        if (socket.destroyed) return resolve({ kind: "refused", code: "EPIPE", detail: "The connection is closed" });
        waiting.push(resolve);
        socket.write(`${request}\n`);
      }),
    end: () => void socket.end(),
  };
}

const say: Action<Params, Settings, Session> = {
  summary: "Says a text, once",
  params: Params,
  example: { text: "acme/web v2.4.0 is live" },
  result: Type.Object({ id: Type.String({ description: "of what was said" }) }),
  idempotency: "key",
  async perform({ text }, { session, idempotencyKey, nowMs }) {
    const answer = await session.ask(`SAY ${idempotencyKey} ${Buffer.from(text).toString("base64")}`);
    if (answer.kind !== "line") return outcomeOf(answer, { nowMs, target: "line" });
    const [word, rest = ""] = answer.text.split(/ (.*)/);
    if (word === "OK") return { kind: "done", result: { id: rest } };
    if (word === "LATER")
      return { kind: "retry", afterMs: Number(rest) * 1_000, error: { message: "line asks us to wait" } };
    return { kind: "rejected", error: { message: `line refuses: ${rest}` } };
  },
};

const connection: Connection<Settings, Session> = {
  settings: Settings,
  actions: { say },
  escapes: { line: (text) => text.replaceAll("\n", " ") },
  async open({ settings: { host, port, token }, nowMs, network, broken }): Promise<Opened<Session>> {
    const connected = await network.connect({ host, port });
    if (connected.kind !== "connected") return { ok: false, outcome: outcomeOf(connected, { nowMs, target: "line" }) };
    const session = sessionOf(connected.socket, broken);
    const answer = await session.ask(`LOGIN ${token}`);
    if (answer.kind === "line" && answer.text === "OK") return { ok: true, session };
    session.end();
    const detail = answer.kind === "line" ? answer.text : answer.detail;
    const error = { message: network.redact(`line does not log us in: ${detail}`) };
    return { ok: false, outcome: { kind: answer.kind === "line" ? "rejected" : "retry", error } };
  },
  close: async (session) => session.end(),
};

export default { name: "line", summary: "Says texts to a system that speaks lines", connection } satisfies Provider;
