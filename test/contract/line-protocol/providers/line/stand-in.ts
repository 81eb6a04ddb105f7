/** The other side of the line protocol, on loopback. */
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Behaviour, StandIn, Transport } from "../../../../../src/sandbox/stand-in.ts";

function answerTo(line: string, behaviour: Behaviour<string>): string | undefined {
  if (behaviour.kind === "refuses") return `NO ${line}`;
  if (line.startsWith("LOGIN ")) return "OK";
  if (behaviour.kind === "breaks") return undefined;
  return behaviour.kind === "answers" ? behaviour.answer : "OK 25";
}

const transport: Transport<string> = {
  async listen(behaviour) {
    const requests: { text: string; reads: boolean }[] = [];
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.setEncoding("utf8").on("error", () => {});
      let rest = "";
      socket.on("data", (chunk) => {
        const lines = `${rest}${chunk}`.split("\n");
        rest = lines.pop() ?? "";
        for (const text of lines) {
          requests.push({ text, reads: false });
          const answer = answerTo(text, behaviour);
          if (answer === undefined) socket.destroy();
          else socket.write(`${answer}\n`);
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return {
      settings: { host: "127.0.0.1", port: (server.address() as AddressInfo).port },
      requests,
      close: () =>
        new Promise((resolve) => {
          for (const socket of sockets) socket.destroy();
          server.close(() => resolve());
        }),
    };
  },
  answers: [
    { says: "answered LATER", answer: "LATER 7", outcome: { kind: "retry", afterMs: 7_000 } },
    { says: "answered NO", answer: "NO such room", outcome: { kind: "rejected" } },
  ],
};

export default { transport } satisfies StandIn;
