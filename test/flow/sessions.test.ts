/** Sessions of connections: lazily, one at a time, again after a break, closed at the end. */
import { expect, test } from "vitest";
import { createSessions } from "../../src/flow/sessions.ts";
import type { Outcome } from "../../src/model.ts";
import type { Connection } from "../../src/ports/provider.ts";
import { woundClock } from "../support/clock.ts";
import { NO_NETWORK } from "../support/world.ts";

const DONE: Outcome = { kind: "done" };

/** A connection that numbers its sessions. */
function numbered(open: Connection<object, number>["open"] | undefined = undefined) {
  const opened: number[] = [];
  const closed: number[] = [];
  let breakIt = () => {};
  const connection: Connection<object, number> = {
    settings: {},
    actions: {},
    open: async (context) => {
      breakIt = context.broken;
      if (open) return await open(context);
      opened.push(opened.length + 1);
      return { ok: true, session: opened.length };
    },
    close: async (session) => void closed.push(session),
  };
  const clock = woundClock();
  const config = { name: "line", provider: "line", settings: {} };
  const parts = { config, provider: { connection: connection as unknown as Connection }, network: NO_NETWORK };
  const sessions = createSessions(new Map([["line", parts]]), clock);
  return { sessions, opened, closed, clock, breakIt: () => breakIt() };
}

test("nothing is opened until it is needed, and users at the same time share one", async () => {
  const { sessions, opened, closed } = numbered();
  expect(opened).toEqual([]);
  const seen: unknown[] = [];
  const use = () =>
    sessions.use("line", async (session) => {
      seen.push(session);
      return DONE;
    });
  await Promise.all([use(), use(), use()]);
  await use();
  expect(seen).toEqual([1, 1, 1, 1]);
  expect(closed).toEqual([]);
  await sessions.close();
  expect(closed).toEqual([1]);
});

test("a session that broke is closed by its last user, and the next delivery opens another", async () => {
  const { sessions, closed, breakIt } = numbered();
  let finish = () => {};
  const first = sessions.use("line", () => new Promise((resolve) => (finish = () => resolve(DONE))));
  await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  breakIt();
  const seen: unknown[] = [];
  await sessions.use("line", async (session) => {
    seen.push(session);
    return DONE;
  });
  expect(seen).toEqual([2]);
  expect(closed).toEqual([]);
  finish();
  await first;
  expect(closed).toEqual([1]);
});

test("an action that throws takes its session with it", async () => {
  const { sessions, opened, closed } = numbered();
  await expect(sessions.use("line", () => Promise.reject(new Error("EPIPE")))).rejects.toThrow("EPIPE");
  expect(closed).toEqual([1]);
  await sessions.use("line", async () => DONE);
  expect(opened).toEqual([1, 2]);
});

test("a session that cannot be opened is a retry, and is tried anew by the next delivery", async () => {
  let tries = 0;
  const { sessions } = numbered(async () => {
    tries++;
    throw new Error("no greeting");
  });
  const use = () => sessions.use("line", async () => DONE);
  const refused = { kind: "retry", error: { message: 'The session of "line" cannot be opened: no greeting' } };
  expect(await use()).toEqual(refused);
  expect(await use()).toEqual(refused);
  expect(tries).toBe(2);
});

test("a private address is no matter of time, nor is what the provider says is none", async () => {
  const barred = numbered(() => Promise.reject(Object.assign(new Error("x"), { code: "PRIVATE_ADDRESS" })));
  expect(await barred.sessions.use("line", async () => DONE)).toMatchObject({ kind: "rejected" });
  const outcome: Outcome = { kind: "rejected", error: { message: "wrong password", code: "auth" } };
  const unknown = numbered(async () => ({ ok: false, outcome }));
  expect(await unknown.sessions.use("line", async () => DONE)).toEqual(outcome);
});

test("a session that hangs while it opens is a retry, and is closed when it comes after all", async () => {
  let arrive = (_session: number) => {};
  const { sessions, clock, closed } = numbered(
    () => new Promise((resolve) => (arrive = (session) => resolve({ ok: true, session }))),
  );
  const waiting = sessions.use("line", async () => DONE);
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(10_000);
  expect(await waiting).toMatchObject({ kind: "retry" });
  arrive(7);
  await new Promise((resolve) => setImmediate(resolve));
  expect(closed).toEqual([7]);
});
