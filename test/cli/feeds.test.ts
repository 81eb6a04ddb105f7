/** A project with a feed of its own: the command line never takes it for a webhook, and its provider is checked when it is loaded. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { command, project, start } from "./support/command.ts";

const FEED = `export default { name: "ticker", summary: "Ticks", source: { kind: "feed", summary: "Ticks", needsSecret: false,
  settings: { type: "object", additionalProperties: false },
  events: { "ticker.tick": { summary: "A tick", sample: () => ({ headers: {}, body: {} }) } },
  run: ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", resolve)) } };`;

const SENDER = "  hook: { provider: http, secret: env:SECRET, verify: { kind: static, header: x-key, key: utf8 } }\n";

async function withFeed(more = ""): Promise<string> {
  const dir = await project({
    "package.json": '{"type":"module"}',
    "signalbox.yaml": `server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }\nsources:\n  ticker: { provider: ticker }\n${more}`,
    ".env": 'SECRET="a secret of the tests"\n',
    "providers/ticker.mjs": FEED,
  });
  // The rules and machines that init writes call connections that are not here.
  for (const folder of ["rules", "statemachines"]) rmSync(join(dir, folder), { recursive: true });
  for (const folder of ["rules", "statemachines"]) mkdirSync(join(dir, folder));
  return dir;
}

test.each([
  ["beside a webhook", SENDER, /ingest +http:\/\/[\d.:]+\/hooks\/hook\n/],
  ["alone", "", /ingest +http:\/\/[\d.:]+\n/],
])("serve names a feed %s under feeds, and under no path", async (_what, more, ingest) => {
  const server = start(["serve"], { cwd: await withFeed(more) });
  const banner = await server.said("ready in");
  expect(banner).toMatch(ingest);
  expect(banner).toMatch(/feeds +ticker\n/);
});

test("send says that the event of a feed cannot be sent, and suggests none", async () => {
  const cwd = await withFeed();
  const { code, err } = await command(["send", "ticker.tick"], { cwd });
  expect(code).toBe(2);
  expect(err).toContain('"ticker.tick" comes from the feed "ticker", which takes no requests');
  expect((await command(["send", "ticker.tik"], { cwd })).err).not.toContain("did you mean");
});

test("a provider whose parameter names an unknown escape is refused when it is loaded", async () => {
  const connection = `connection: { settings: {}, actions: { post: { perform() {}, params: { properties: { text: { escape: "markdwn" } } } } } }`;
  const cwd = await project({
    "package.json": '{"type":"module"}',
    "signalbox.yaml": "sources: {}\n",
    "providers/pager.mjs": `export default { name: "pager", summary: "Pages", ${connection} };`,
  });
  const { err } = await command(["check"], { cwd });
  expect(err).toContain("SB0916");
  expect(err).toContain('the parameter "text" of its action "post" names the escape "markdwn"; write none, html, url');
});
