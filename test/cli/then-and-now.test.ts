/** `explain` of a stored event after the rules were edited: a real server, its files changed while it runs, and the files alone. */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Explanation } from "../../src/model.ts";
import { folderOf } from "../support/served.ts";
import { command, type How, json, type Ran, type Started, start } from "./support/command.ts";

const CONFIG = `
server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }
sources: { github: { provider: github, secret: env:GITHUB_WEBHOOK_SECRET } }
connections: { pager: { provider: http, url: "http://127.0.0.1:9" } }
`;
/** Long enough that what differs at its end has to be looked for. */
const page = (path: string, more = "") => `
- id: page
  event: github.workflow_run.completed
  ${more}
  do: [{ pager.request: { path: "${path}", json: { note: "a build of this team's main branch has ended: {{event.title}}${path}" } } }]
`;
const TRACK = `
- id: track
  event: github.workflow_run.completed
  send: { machine: build, key: "{{event.repo}}", event: ENDED }
`;
const BUILD = "{ id: build, initial: a, states: { a: { on: { ENDED: b } }, b: {} } }";

let dir: string;
let server: Started;
let running: Record<string, string>;
let ingest: string;
let id: string;

const ask = (args: string[], how: How = {}): Promise<Ran> =>
  command(args, { cwd: dir, ...how, env: { ...running, ...how.env } });
async function rules(text: string): Promise<void> {
  const before = (await server.said("")).length;
  writeFileSync(join(dir, "all.new"), text);
  renameSync(join(dir, "all.new"), join(dir, "rules/all.yaml"));
  const said = async () => (await server.said("")).slice(before);
  await expect.poll(said).toContain("policy loaded");
}

/** What is said of then and now, without the event's own part. */
function verdict({ out }: Ran): string {
  return out.slice(out.indexOf("policy now")).trimEnd();
}

beforeAll(async () => {
  dir = folderOf({
    "signalbox.yaml": CONFIG,
    ".env": 'GITHUB_WEBHOOK_SECRET="a secret of the tests"\n',
    "rules/all.yaml": page("/a"),
    "statemachines/build.yaml": BUILD,
  });
  server = start(["serve"], { cwd: dir });
  const banner = await server.said("ready in");
  ingest = /ingest +(http:\/\/[\d.:]+)/.exec(banner)![1]!;
  running = { SIGNALBOX_URL: /api +(http:\/\/[\d.:]+)/.exec(banner)![1]! };
  const sent = await ask(["send", "github.workflow_run.completed", "--to", ingest, "--wait", "--json"]);
  id = String(json(sent).eventId);
});

afterAll(async () => {
  server?.signal("SIGKILL");
  await server?.ended;
  rmSync(dir, { recursive: true, force: true });
});

const explained = (...args: string[]) => ask(["explain", id, ...args]);

test("nothing is said of then and now while the policy that decided it runs", async () => {
  const { code, out } = await explained();
  expect(code).toBe(0);
  expect(out).toMatch(/decided \d\d:\d\d:\d\d \(.*\) by policy [0-9a-f]{8}\n/);
  expect(out).not.toContain("policy now");
});

test("a line with - for what was caused then, one with + for what would be caused now: only what differs, and where it stands", async () => {
  await rules(page("/b") + TRACK);
  expect(verdict(await explained())).toMatch(
    new RegExp(
      [
        "^policy now [0-9a-f]{8}: today the outcome would differ",
        String.raw`  - page   pager\.request path /a, json …\S+ add login/a"\}`,
        String.raw`  \+ page   pager\.request path /b, json …\S+ add login/b"\}  rules/all\.yaml:2`,
        String.raw`  \+ track  build/acme/web ENDED +was not there then  rules/all\.yaml:7$`,
      ].join("\n"),
    ),
  );
  const { changes, policy } = json(await explained("--json")) as unknown as Explanation;
  expect(changes).toMatchObject({ policy, complete: true, rules: [{ rule: "page" }, { rule: "track" }] });
});

test("--at: the trees as of another policy, the difference as before", async () => {
  const { out } = await explained("--at", "decided");
  expect(out).toContain("MATCHED  page   rules/all.yaml:2");
  expect(out).not.toContain("MATCHED  track");
  expect(verdict({ code: 0, out, err: "" })).toBe(verdict(await explained()));
  const [, decider = ""] = /by policy ([0-9a-f]{8})/.exec(out) ?? [];
  expect(out).toContain(`(1 rule, policy ${decider})`);
  expect(await explained("--at", decider)).toMatchObject({ code: 0, out });
  expect(await explained("--at", "decided", "--expect", "matched:track")).toMatchObject({ code: 1 });
  expect(await explained("--expect", "matched:track")).toMatchObject({ code: 0 });
});

test("an unknown policy is told apart from an unknown event, and a file has no policy of its own", async () => {
  const unknown = await explained("--at", "0123456789ab");
  expect(unknown.code).toBe(5);
  expect(unknown.err).toMatch(
    /SB0905.*There is no policy "0123456789ab"; "[0-9a-f]{12}" runs, "[0-9a-f]{12}" decided this event/,
  );
  const event = await ask(["explain", id.slice(0, -3), "--at", "decided"]);
  expect(event).toMatchObject({ code: 5, err: expect.stringContaining(`did you mean "${id}"?`) });
  const file = await ask(["explain", "event.json", "--at", "decided"]);
  expect(file).toMatchObject({ code: 2, err: expect.stringContaining("--at is for stored events") });
});

test.each([
  ["does not match now", page("/a", "match: { branch: none }"), /- page .*does not match now {2}rules\/all\.yaml:2$/],
  ["listens elsewhere now", page("/a").replace("workflow_run", "x"), /- page .*is for other event types now {2}rules/],
  ["is gone", "[]", /- page .*is gone$/],
  [
    "is only observed now",
    page("/a", "mode: observe"),
    /- page +pager\.request\n {2}\+ page .*only observed now {2}rules/,
  ],
  [
    "cannot be rendered now",
    page("{{event.data.none}}"),
    /- page .*\n {2}\+ page +✗ SB0402 .*event\.data\.none is missing/,
  ],
  ["acts for nothing now", page("/a", 'forEach: "[]"'), /- page .*\n {2}\+ page +matched, 0 items +rules/],
])("a rule that %s", async (_what, text, lines) => {
  await rules(text);
  expect(verdict(await explained())).toMatch(lines);
});

test("each line is read beside its own counterpart; a machine that was edited is named with its definition", async () => {
  const act = (path: string, n: number) => `{ pager.request: { path: ${path}${n}, json: { n: ${n} } } }`;
  const twice = (path: string) =>
    `- { id: twice, event: github.workflow_run.completed, do: [${act(path, 1)}, ${act(path, 2)}] }${TRACK}`;
  await rules(twice("/x"));
  const sent = await ask(["send", "github.workflow_run.completed", "--to", ingest, "--wait", "--json"]);
  writeFileSync(join(dir, "statemachines/build.yaml"), BUILD.replace("ENDED: b", "ENDED: a"));
  await rules(twice("/y"));
  // Two files were saved, perhaps read one after the other.
  const lines = async () =>
    verdict(await ask(["explain", String(json(sent).eventId)]))
      .split("\n")
      .slice(1);
  await expect
    .poll(lines)
    .toEqual([
      "  - twice  pager.request path /x1",
      "  - twice  pager.request path /x2",
      "  + twice  pager.request path /y1                       rules/all.yaml:1",
      "  + twice  pager.request path /y2",
      expect.stringMatching(/^ {2}- track {2}build\/acme\/web ENDED \(build as of [0-9a-f]{8}\)$/),
      expect.stringMatching(
        /^ {2}\+ track {2}build\/acme\/web ENDED \(build as of [0-9a-f]{8}\) {2}rules\/all\.yaml:2$/,
      ),
    ]);
});

test("many lines are folded until all are asked for", async () => {
  const list = JSON.stringify(Array.from({ length: 30 }, (_, i) => i));
  await rules(page("/{{item}}", `forEach: "${list}"`));
  const [folded, all] = [verdict(await explained()), verdict(await explained("--all"))];
  expect(folded.match(/^ {2}[-+] page/gm)).toHaveLength(20);
  expect(folded).toMatch(/11 more lines: --all$/);
  expect(all.match(/^ {2}[-+] page/gm)).toHaveLength(31);
});

test("another text that causes the same is said in one line, also when no server runs", async () => {
  await rules(`${page("/a")}# by the team\n`);
  const line = /^policy now [0-9a-f]{8}: today the outcome would be the same$/;
  expect(verdict(await explained())).toMatch(line);
  server.signal("SIGTERM");
  await server.ended;
  running = {};
  expect(verdict(await explained())).toMatch(line);
  expect((await explained("--at", "decided")).code).toBe(0);
});

test("what was redelivered and is not decided yet has nothing to compare", async () => {
  const again = json(await ask(["events", "redeliver", id, "--yes", "--json"]));
  const undecided = await ask(["explain", String(again.id)]);
  expect(undecided).toMatchObject({ code: 0, out: expect.stringContaining("MATCHED  page") });
  expect(undecided.out).not.toMatch(/decided|policy now/);
  const at = await ask(["explain", String(again.id), "--at", "decided"]);
  expect(at).toMatchObject({ code: 6, err: expect.stringContaining("is not decided yet") });
});

test("rules that are gone: what is left to compare is said", async () => {
  const database = new Database(join(dir, "data/signalbox.db"));
  database.prepare("delete from policies").run();
  database.close();
  writeFileSync(join(dir, "rules/all.yaml"), page("/b") + TRACK);
  expect(verdict(await explained())).toMatch(
    /the rules of [0-9a-f]{8} are gone or no longer load: only the recorded matches can be compared\n {2}\+ track .*did not match then/,
  );
  const at = await explained("--at", "decided");
  expect(at).toMatchObject({ code: 5, err: expect.stringContaining("are gone or no longer load") });
});
