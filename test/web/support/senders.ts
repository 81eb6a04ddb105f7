/** A receiver that keeps what it is given, and senders that behave as badly as the network allows. */
import { once } from "node:events";
import type { Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { ReceiveResult, Receiver, Route } from "../../../src/flow/receive.ts";
import type { RawRequest } from "../../../src/ports/provider.ts";

export interface Keeping extends Receiver {
  received: RawRequest[];
  /** Requests that came in, answered or not. */
  entered: number;
  /** Lets nobody through until what it returns is called. */
  close(): () => void;
}

/** Takes every request on the given paths and remembers it. */
export function keepingReceiver(routes: Record<string, Route>): Keeping {
  let gate: Promise<void> | undefined;
  return {
    received: [],
    entered: 0,
    close() {
      let open = () => {};
      gate = new Promise((done) => {
        open = done;
      });
      return () => open();
    },
    route: (path) => routes[path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path],
    async receive(request, _route, requestId): Promise<ReceiveResult> {
      this.entered++;
      await gate;
      if (request.body.toString() === "break") throw new Error("the disk is on fire");
      this.received.push(request);
      return { kind: "stored", eventIds: [`evt_${requestId}`], isDuplicate: false };
    },
  };
}

export async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

export async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
}

export async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Everything the other side says until it hangs up. */
export async function heard(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.resume();
  // Not events.once: it rejects when the connection breaks, and what was heard before that counts.
  if (!socket.closed) await new Promise((done) => socket.on("close", done));
  return Buffer.concat(chunks).toString("latin1");
}

/** What is heard up to and including the body of one answer. */
export async function answered(socket: Socket): Promise<string> {
  let text = "";
  return await new Promise((resolve, reject) => {
    socket.on("close", () => reject(new Error(`closed after ${JSON.stringify(text)}`)));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      const head = text.indexOf("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (head >= 0 && text.length >= head + 4 + length) resolve(text);
    });
  });
}
