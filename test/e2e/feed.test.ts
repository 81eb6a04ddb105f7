/** A feed that a project brings, in a whole engine: what it takes is in the log, and it goes on from its mark after a restart. */
import { expect, test } from "vitest";
import { startEngineIn } from "../support/engine.ts";
import { folderOf, until } from "../support/served.ts";

const TICKER = `export default {
  name: "ticker",
  summary: "Counts",
  source: {
    kind: "feed",
    summary: "A number after the other",
    settings: { type: "object", additionalProperties: false },
    needsSecret: false,
    events: { "ticker.tick": { summary: "A number" } },
    async run({ mark = 0, take, signal }) {
      const n = mark + 1;
      await take([{ type: "ticker.tick", delivery: String(n), data: { n } }], n);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  },
};
`;

test("a feed runs with the engine, ends with it, and goes on from its mark", async () => {
  const folder = folderOf({
    "providers/ticker.mjs": TICKER,
    "signalbox.yaml":
      "server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }\nsources: { numbers: { provider: ticker } }\nstore: sqlite:./data/signalbox.db\n",
    "rules/.keep": "",
    "statemachines/.keep": "",
  });
  for (const count of [1, 2]) {
    const engine = await startEngineIn(folder, {});
    await until("the feed has taken a number", async () => {
      const { counts } = await engine.engine.operations.status();
      return counts.events === count;
    });
    await engine.stop();
  }
  const engine = await startEngineIn(folder, {});
  const { body } = await engine.api<{ items: { event: { source: string; delivery: string } }[] }>("/api/v1/events");
  await engine.stop();
  const numbers = body.items.map(({ event: { source, delivery } }) => `${source} ${delivery}`);
  expect(numbers).toEqual(expect.arrayContaining(["numbers 1", "numbers 2"]));
});
