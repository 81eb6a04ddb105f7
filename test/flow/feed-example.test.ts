/** The feed that docs/providers.md shows, run against a server: what it reads is in the log once, and it goes on from its mark after a break. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { createAccept } from "../../src/flow/accept.ts";
import { startFeeds } from "../../src/flow/feed.ts";
import { createNetwork } from "../../src/network/network.ts";
import type { Observation } from "../../src/ports/observe.ts";
import { loadProviders } from "../../src/providers/index.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { woundClock } from "../support/clock.ts";
import { blocksOf, titleOf } from "../support/documents.ts";
import { folderOf, until } from "../support/served.ts";

const FILE = "providers/ntfy.mjs";

/** A topic whose second answer is a failure. */
async function startTopic() {
  const asked: string[] = [];
  const message = (id: string) => ({ id, time: 1_767_600_000, event: "message", topic: "acme", message: `text ${id}` });
  const answers = [
    [{ id: "k", event: "keepalive" }, message("a"), message("b")],
    undefined,
    [message("b"), message("c")],
  ];
  const server = createServer(({ url, headers }, response) => {
    const lines = asked.length < answers.length ? answers[asked.length] : [];
    asked.push(`${url} ${headers.authorization}`);
    response.writeHead(lines ? 200 : 500).end((lines ?? []).map((line) => `${JSON.stringify(line)}\n`).join(""));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { asked, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test("the feed of the documentation takes each message once, over a break, and goes on from its mark", async () => {
  const block = blocksOf("docs/providers.md").find((one) => titleOf(one) === FILE);
  if (!block) throw new Error(`docs/providers.md has no ${FILE}`);
  const source = (await loadProviders(folderOf({ [FILE]: block.text }))).get("ntfy")?.source;
  if (source?.kind !== "feed") throw new Error(`${FILE} is no feed`);
  const { asked, server, url } = await startTopic();
  const network = createNetwork({ allowPrivate: true, redact: (text) => text });
  const store = memoryStore();
  const clock = woundClock();
  const observations: Observation[] = [];
  const observe = (one: Observation) => void observations.push(one);
  const accept = createAccept({ store, clock, observe, stored() {} });
  const config = { name: "deploys", provider: "ntfy", secrets: ["tk_1"], settings: { url, topic: "acme" } };
  const stop = startFeeds({ feeds: [{ config, source, network }], accept, store, clock, observe });
  try {
    await until("it has asked four times", () => {
      clock.advance(5_000);
      return asked.length >= 4;
    });
  } finally {
    await stop();
    await network.close();
    server.close();
  }
  expect(asked.slice(0, 4)).toEqual(
    ["all", "b", "b", "c"].map((since) => `/acme/json?poll=1&since=${since} Bearer tk_1`),
  );
  expect(JSON.stringify(observations)).toContain("ntfy answered 500");
  const { items } = await store.events({}, { limit: 100 });
  expect(items.map(({ event }) => event.delivery).toSorted()).toEqual(["a", "b", "c"]);
  expect(items[0]?.event).toMatchObject({ source: "deploys", type: "ntfy.message", time: "2026-01-05T08:00:00.000Z" });
});
