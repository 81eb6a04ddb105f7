/** The network of a connection: sockets for other protocols than HTTP pass the same guard, and end with their attempt. */
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createNetwork, type NetworkOptions, type OwnedNetwork } from "../src/network/network.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function network(options: Partial<NetworkOptions> = {}): OwnedNetwork {
  const made = createNetwork({ allowPrivate: true, redact: (text) => text, ...options });
  closers.push(() => made.close());
  return made;
}

async function listen(onSocket: (socket: Socket) => void = () => {}): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

const ended = (socket: Socket) => new Promise<void>((resolve) => socket.once("close", () => resolve()));

describe("a socket", () => {
  test.each(["127.0.0.1", "::1", "localhost", "169.254.169.254"])("to %s needs allowPrivate", async (host) => {
    let calls = 0;
    const port = await listen(() => calls++);
    const connected = await network({ allowPrivate: false }).connect({ host, port });
    expect(connected).toMatchObject({ kind: "refused", code: "PRIVATE_ADDRESS", permanent: true });
    await expect(network({ allowPrivate: false }).address(host)).rejects.toMatchObject({ code: "PRIVATE_ADDRESS" });
    expect(calls).toBe(0);
  });

  test("goes to the address that was judged: a name is looked up once", async () => {
    const port = await listen((socket) => socket.end("hello"));
    let lookups = 0;
    const resolve: NetworkOptions["resolve"] = (_name, answer) => {
      lookups++;
      answer(null, [{ address: "127.0.0.1", family: 4 }]);
    };
    const connected = await network({ resolve }).connect({ host: "line.test", port });
    if (connected.kind !== "connected") throw new Error(connected.detail);
    let text = "";
    for await (const chunk of connected.socket) text += chunk;
    expect(text).toBe("hello");
    expect(lookups).toBe(1);
  });

  test("that nobody answers is refused and not permanent, without a credential in the detail", async () => {
    const port = await listen();
    await closers.pop()?.();
    const connected = await network({ redact: (text) => text.replaceAll("127", "***") }).connect({
      host: "127.0.0.1",
      port,
    });
    expect(connected).toEqual({
      kind: "refused",
      code: "ECONNREFUSED",
      detail: `No connection to ***.0.0.1:${port}: ECONNREFUSED`,
    });
  });

  test("ends with its attempt, and with the network", async () => {
    const port = await listen();
    const all = network();
    const attempt = new AbortController();
    const first = await all.during(attempt.signal).connect({ host: "127.0.0.1", port });
    const second = await all.during(new AbortController().signal).connect({ host: "127.0.0.1", port });
    if (first.kind !== "connected" || second.kind !== "connected") throw new Error("not connected");
    const over = ended(first.socket);
    attempt.abort();
    await over;
    expect(second.socket.destroyed).toBe(false);
    const done = ended(second.socket);
    await all.close();
    await done;
  });

  test("is not opened for an attempt that is over", async () => {
    const port = await listen();
    const connected = await network().during(AbortSignal.abort()).connect({ host: "127.0.0.1", port });
    expect(connected).toMatchObject({ kind: "refused", code: "CANCELLED" });
  });

  test("with TLS is refused by a server that speaks none", async () => {
    const port = await listen((socket) => socket.end("no TLS here\n"));
    const connected = await network().connect({ host: "127.0.0.1", port, tls: true });
    expect(connected.kind).toBe("refused");
  });

  test("that hangs while it connects is given up", async () => {
    const port = await listen();
    const connected = await network().connect({ host: "127.0.0.1", port, tls: true, timeoutMs: 50 });
    expect(connected).toMatchObject({ kind: "refused", code: "CONNECT_TIMEOUT" });
  });
});

test("a library's own sockets are handed judged addresses only", async () => {
  const ask = (options: Partial<NetworkOptions>, name: string) =>
    new Promise<unknown>((resolve) =>
      network(options).lookup(name, { all: false }, (error, address) => resolve(error ?? address)),
    );
  expect(await ask({ allowPrivate: false }, "localhost")).toMatchObject({ code: "PRIVATE_ADDRESS" });
  expect(["127.0.0.1", "::1"]).toContain(await ask({}, "localhost"));
});
