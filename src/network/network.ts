/** The network of one connection or source: HTTP with limits, sockets for other protocols, and one guard for both. */
import type { Socket } from "node:net";
import type { Network, SharedNetwork } from "../ports/network.ts";
import { connect } from "./connect.ts";
import { createGuard, type Resolve } from "./guard.ts";
import { createHttp } from "./http.ts";

export interface NetworkOptions {
  /** Whether private, loopback and link-local addresses may be called. */
  allowPrivate: boolean;
  /** Removes credentials from every text of results and errors. */
  redact: (text: string) => string;
  /** Node's own by default. */
  resolve?: Resolve;
}

export interface OwnedNetwork extends SharedNetwork {
  /** Ends everything that is under way. */
  close(): Promise<void>;
}

export function createNetwork(options: NetworkOptions): OwnedNetwork {
  const { redact } = options;
  const guard = createGuard(options.allowPrivate, options.resolve);
  const http = createHttp(redact, guard);
  const over = new AbortController();
  const sockets = new Set<Socket>();
  const during = (signal: AbortSignal): Network => ({
    http: { request: (request) => http.exchange(request, signal) },
    lookup: guard.lookup,
    address: guard.address,
    connect: async (target) => {
      const connected = await connect(target, guard, signal);
      if (connected.kind === "refused") return { ...connected, detail: redact(connected.detail) };
      const { socket } = connected;
      sockets.add(socket.once("close", () => sockets.delete(socket)));
      return connected;
    },
    redact,
    signal,
  });
  return {
    ...during(over.signal),
    during,
    async close() {
      over.abort();
      for (const socket of sockets) socket.destroy();
      await http.close();
    },
  };
}
