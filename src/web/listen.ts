/** Opens and closes the ports that the listeners serve. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { SignalboxError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Observer } from "../ports/observe.ts";

/** Connections that wait to be accepted: the kernel must not refuse a burst of senders. */
const BACKLOG = 4_096;

/** How long a sender that has begun a request may take to finish it after `closeServer`. */
const CLOSE_MS_MAX = 2_000;

/** Resolves with the URL. Rejects with SB0909 when the port is taken, SB0915 when the address cannot be listened on. */
export function listen(
  server: Server,
  { host, port }: { host: string; port: number },
  observe: Observer,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => reject(listenError(error, host, port));
    server.once("error", onError);
    server.listen({ port, host, backlog: BACKLOG }, () => {
      server.off("error", onError);
      // A later error, such as a connection that could not be accepted, is reported and the server stays.
      server.on("error", ({ message }) => observe({ kind: "fault", where: `listener ${host}:${port}`, message }));
      const address = server.address() as AddressInfo;
      const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
      resolve(`http://${name.includes(":") ? `[${name}]` : name}:${address.port}`);
    });
  });
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): SignalboxError {
  if (error.code === "EADDRINUSE") {
    return new SignalboxError("SB0909", `${host}:${port} is already in use`, { cause: error });
  }
  const reasons: Record<string, string> = {
    EACCES: `this process may not take port ${port}`,
    EADDRNOTAVAIL: `${host} is not an address of this machine`,
    ENOTFOUND: `the name ${host} is not known`,
  };
  const reason = reasons[error.code ?? ""] ?? error.code ?? error.message;
  return new SignalboxError("SB0915", `Cannot listen on ${host}:${port}: ${reason}`, { cause: error });
}

/** Resolves when the requests under way are answered. Idle connections are closed at once, slow ones after a while. */
export async function closeServer(server: Server, clock: Clock): Promise<void> {
  const closed = new AbortController();
  const closing = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  // Node does not check for late senders once it closes: a request that never ends would keep the process alive.
  void clock.sleep(CLOSE_MS_MAX, closed.signal).then(() => server.closeAllConnections());
  await closing;
  closed.abort();
}
