/** TCP and TLS connections to checked addresses. */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Connected, SocketTarget } from "../ports/network.ts";
import { type AddressGuard, privateAddressDetail } from "./guard.ts";

export const CONNECT_TIMEOUT_MS = 5_000;

/** A connected socket that ends with the signal, or why there is none: then nothing was sent. */
export async function connect(target: SocketTarget, guard: AddressGuard, signal: AbortSignal): Promise<Connected> {
  const at = `${target.host}:${target.port}`;
  try {
    const address = await guard.address(target.host);
    if (signal.aborted) throw Object.assign(new Error("CANCELLED"), { code: "CANCELLED" });
    return { kind: "connected", socket: await opened(address, target, signal) };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "FAILED";
    if (code === "PRIVATE_ADDRESS") return { kind: "refused", code, detail: privateAddressDetail(at), permanent: true };
    return { kind: "refused", code, detail: `No connection to ${at}: ${code}` };
  }
}

function opened(address: string, target: SocketTarget, signal: AbortSignal): Promise<Socket> {
  const { host, port, tls = false, timeoutMs = CONNECT_TIMEOUT_MS } = target;
  return new Promise((resolve, reject) => {
    const name = isIP(host) === 0 ? { servername: host } : {};
    const socket = tls ? connectTls({ host: address, port, ...name }) : connectTcp({ host: address, port });
    const end = () => void socket.destroy(Object.assign(new Error("CANCELLED"), { code: "CANCELLED" }));
    const late = setTimeout(
      () => socket.destroy(Object.assign(new Error("CONNECT_TIMEOUT"), { code: "CONNECT_TIMEOUT" })),
      timeoutMs,
    );
    signal.addEventListener("abort", end, { once: true });
    socket.once("close", () => signal.removeEventListener("abort", end));
    socket.once("error", (error) => {
      clearTimeout(late);
      reject(error);
    });
    socket.once(tls ? "secureConnect" : "connect", () => {
      clearTimeout(late);
      // An error event without a listener would end the process.
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}
