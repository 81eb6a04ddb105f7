/** `graph`: on files alone without any secret, and with counts of a server that runs and of one that has stopped. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { elementsIn, readDot, readMermaid, readXml } from "../core/graph-grammar.ts";
import { folderOf, until } from "../support/served.ts";
import { command, type How, json, process_, type Ran, type Started, start } from "./support/command.ts";

const CONFIG = `
server: { host: 127.0.0.1, port: 0, admin: { port: 0 } }
sources: { github: { provider: github, secret: env:NOT_SET_ANYWHERE } }
connections: { pager: { provider: http, url: "http://127.0.0.1:9", token: env:NEITHER_IS_THIS } }
`;
const DOOR = `
id: door
description: A door that is shut by itself
initial: closed
states:
  closed: { on: { OPEN: open } }
  open: { on: { CLOSE: closed, LOSE: gone }, after: { 8h: closed }, initial: ajar, states: { ajar: { on: { PUSH: wide } }, wide: {} } }
  gone: { type: final }
`;
const PAGED = `
id: paged
initial: calm
states:
  calm: { on: { FAIL: paging } }
  paging: { invoke: { id: page, src: pager.request, input: { path: /x }, onDone: calm } }
`;

const folder = (more: Record<string, string> = {}) =>
  folderOf({ "signalbox.yaml": CONFIG, "rules/all.yaml": "[]\n", "statemachines/door.yaml": DOOR, ...more });

/** A project of this test alone. */
function project(more: Record<string, string> = {}): string {
  const dir = folder(more);
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

describe("on files alone", () => {
  test("prints a machine as Mermaid, which is the default", async () => {
    const { code, out, err } = await command(["graph", "door"], { cwd: project() });
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const { states, arrows } = readMermaid(out);
    expect([...states.keys()]).toEqual(["closed", "open", "ajar", "wide", "gone"]);
    expect(arrows).toContainEqual({ from: "closed", to: "open", label: "OPEN" });
    expect(arrows).toContainEqual({ from: "open", to: "closed", label: "after 8h" });
  });

  test("prints it as Graphviz, as SVG of a theme, and as JSON", async () => {
    const cwd = project();
    const [dot, svg, dark, document, flag] = await Promise.all([
      command(["graph", "door", "--format", "dot"], { cwd }),
      command(["graph", "door", "--format", "svg"], { cwd }),
      command(["graph", "door", "--format", "svg", "--theme", "dark"], { cwd }),
      command(["graph", "door", "--format", "json"], { cwd }),
      command(["graph", "door", "--json"], { cwd }),
    ]);
    expect([...readDot(dot.out).clusters.keys()]).toEqual(["cluster/open"]);
    const picture = elementsIn(readXml(svg.out));
    expect(picture.flatMap(({ attributes }) => attributes.get("data-state") ?? [])).toContain("open.wide");
    expect(svg.out).toContain("prefers-color-scheme:dark");
    expect(readXml(dark.out).attributes.get("class")).toBe("signalbox-dark");
    expect(dark.out).not.toContain("prefers-color-scheme");
    expect(document.out).toBe(flag.out);
    expect(json(document)).toMatchObject({
      ...{ apiVersion: "signalbox/v1", kind: "Graph", id: "door", hash: expect.stringMatching(/^[0-9a-f]{16}$/) },
      nodes: [{ id: "" }, { id: "closed", initial: true }, { id: "open" }, {}, {}, { id: "gone", final: true }],
      edges: [{ from: "closed", to: "open", kind: "signal" }, {}, {}, { kind: "timer", trigger: "open.8h" }, {}],
    });
    for (const ran of [dot, svg, dark, document, flag]) expect(ran).toMatchObject({ code: 0, err: "" });
  });

  test("writes a file, and takes the format from its name", async () => {
    const cwd = project();
    const forms = {
      "a.svg": "<svg",
      "a.dot": "digraph",
      "a.gv": "digraph",
      "a.mmd": "stateDiagram-v2",
      "a.json": "{\n",
    };
    for (const [file, begins] of Object.entries(forms)) {
      expect(await command(["graph", "door", "-o", file], { cwd })).toEqual({
        code: 0,
        out: `${file} shows door\n`,
        err: "",
      });
      expect(readFileSync(join(cwd, file), "utf8").slice(0, begins.length)).toBe(begins);
    }
    const written = await command(["graph", "door", "--output", "door.txt", "--format", "dot", "--json"], { cwd });
    expect(json(written)).toMatchObject({ kind: "GraphFile", machine: "door", format: "dot", file: "door.txt" });
    expect(readFileSync(join(cwd, "door.txt"), "utf8")).toContain("digraph");
  });

  test("is the same text again, byte for byte, also as a process", async () => {
    const cwd = project();
    const args = ["graph", "door", "--format", "svg"];
    const [here, there] = await Promise.all([command(args, { cwd }), process_(args, { cwd })]);
    expect(there).toEqual({ code: 0, out: here.out, err: "" });
  });

  test("lists the machines without a name, and gives all of them as JSON", async () => {
    const cwd = project({ "statemachines/paged.yaml": PAGED });
    const listed = await command(["graph"], { cwd });
    expect(listed.out).toBe(
      `${[
        "MACHINE  STATES    TRANSITIONS    DESCRIPTION",
        "door     5 states  5 transitions  A door that is shut by itself",
        "paged    2 states  2 transitions",
      ].join("\n")}\n`,
    );
    const all = json(await command(["graph", "--json"], { cwd }));
    expect(all).toMatchObject({ kind: "GraphList", graphs: [{ id: "door" }, { id: "paged" }] });
    const none = folderOf({ "signalbox.yaml": CONFIG, "rules/a.yaml": "[]\n", "statemachines/README.md": "" });
    expect(await command(["graph"], { cwd: none })).toMatchObject({
      code: 0,
      out: "no machine is in statemachines/\n",
    });
  });

  test.each([
    [["graph", "dor"], 5, 'There is no machine "dor"; did you mean "door"?'],
    [["graph", "something-else"], 5, 'There is no machine "something-else"'],
    [
      ["graph", "door", "-o", "door.png"],
      2,
      'Cannot tell the format from "door.png"; end it in .mmd, .dot, .svg or .json',
    ],
    [["graph", "door", "-o", "no/such/door.svg"], 2, '"no/such/door.svg" cannot be written: ENOENT'],
    [["graph", "door", "--theme", "dark"], 2, "--theme is for SVG; add --format svg"],
    [["graph", "door", "--format", "pdf"], 2, "pdf"],
    [["graph", "--format", "svg"], 2, "Say which machine to draw: door"],
    [["graph", "-o", "all.svg"], 2, "Say which machine to draw: door"],
  ])("%j is exit %i and says %s", async (args, exit, words) => {
    const { code, out, err } = await command(args, { cwd: project() });
    expect({ code, out }).toEqual({ code: exit, out: "" });
    expect(err).toContain(words);
  });

  test("a machine with mistakes is not drawn: they are told as check tells them; others are drawn all the same", async () => {
    const bad = DOOR.replace("id: door", "id: bad").replace("OPEN: open", "OPEN: opne");
    const cwd = project({ "statemachines/bad.yaml": bad, "rules/all.yaml": "- id: Broken\n" });
    const ran = await command(["graph", "bad"], { cwd });
    expect({ code: ran.code, out: ran.out }).toEqual({ code: 3, out: "" });
    expect(ran.err).toContain("error[SB0201]");
    const block = ran.err.slice(0, ran.err.indexOf("= help"));
    expect((await command(["check", "statemachines/bad.yaml"], { cwd })).out).toContain(block);
    expect(await command(["graph", "door"], { cwd })).toMatchObject({ code: 0, err: "" });
    expect((await command(["graph"], { cwd })).err).toContain("statemachines/bad.yaml:6:");
    const document = json(await command(["graph", "bad", "--json"], { cwd }));
    expect(document).toMatchObject({ kind: "Error", error: { file: "statemachines/bad.yaml" } });
    expect(JSON.stringify(document)).toContain("SB0201");
  });
});

describe("with counts", () => {
  let dir: string;
  let server: Started;
  let url: string;
  const env = { NOT_SET_ANYWHERE: "a secret of the tests", NEITHER_IS_THIS: "another secret of the tests" };
  const ask = (args: string[], how: How = {}): Promise<Ran> => command(args, { cwd: dir, env, ...how });
  const signal = async (key: string, event: string, machine = "door") => {
    const words = ["instances", "signal", machine, key, event, "--reason", "a test", "--yes", "--url", url];
    expect(await ask(words)).toMatchObject({ code: 0 });
  };
  const statuses = async () => {
    const { items } = json(await ask(["instances", "list", "--url", url, "--limit", "200", "--json"]));
    return (items as { status: string; key: string }[]).map(({ key, status }) => `${key} ${status}`);
  };

  beforeAll(async () => {
    dir = folder({ "statemachines/paged.yaml": PAGED });
    server = start(["serve"], { cwd: dir, env });
    url = /api +(http:\/\/[\d.:]+)/.exec(await server.said("ready in"))![1]!;
    for (const key of ["a", "b", "c", "d"]) await signal(key, "OPEN");
    await signal("b", "PUSH");
    await signal("c", "CLOSE");
    await signal("d", "LOSE");
    await signal("p", "FAIL", "paged");
    await until("all is decided", async () => {
      const all = await statuses();
      return all.includes("d done") && all.includes("p error");
    });
  });

  afterAll(async () => {
    server?.signal("SIGKILL");
    await server?.ended;
    rmSync(dir, { recursive: true, force: true });
  });

  const countsIn = (ran: Ran) => {
    const { nodes } = json(ran) as unknown as { nodes: { id: string; count?: number }[] };
    return Object.fromEntries(nodes.map(({ id, count }) => [id, count]));
  };
  const DOORS = { "": 4, closed: 1, open: 2, "open.ajar": 1, "open.wide": 1, gone: 1 };

  test("--url alone counts what the server has, in every form", async () => {
    const asked = (form: string) => ask(["graph", "door", "--url", url, "--format", form]);
    expect(countsIn(await asked("json"))).toEqual(DOORS);
    const names = [...readMermaid((await asked("mermaid")).out).states.values()].map(({ name }) => name);
    expect(names).toEqual(["closed (1)", "open (2)", "ajar (1)", "wide (1)", "gone (1)"]);
    expect((await asked("dot")).out).toContain('label="open (2)"');
    const picture = elementsIn(readXml((await asked("svg")).out));
    expect(picture.filter(({ name }) => name === "title").map(({ text }) => text)).toContain("open (2)");
    expect(picture.filter(({ name, text }) => name === "text" && text === "2")).toHaveLength(1);
    const listed = await ask(["graph", "--url", url]);
    expect(listed.out).toMatch(/^MACHINE {2}STATES {4}TRANSITIONS {4}INSTANCES {4}DESCRIPTION\ndoor .* 4 instances /);
  });

  test("without --counts and --url nothing is counted, and no server is asked", async () => {
    const { out } = await ask(["graph", "door", "--json"], { env: { SIGNALBOX_URL: "http://127.0.0.1:9" } });
    expect(out).not.toContain('"count"');
  });

  test("an instance that ended in error stands nowhere, which is said", async () => {
    const ran = await ask(["graph", "paged", "--url", url, "--json"]);
    expect(countsIn(ran)).toEqual({ "": 0, calm: 0, paging: 0 });
    expect(ran.err).toBe("1 instance of paged ended in error, not counted\n");
  });

  test("an instance in a state that the file no longer has is told apart", async () => {
    const other = folder({ "statemachines/door.yaml": DOOR.replaceAll("wide", "far") });
    const ran = await ask(["graph", "door", "--url", url, "--json"], { cwd: other });
    expect(countsIn(ran)).toEqual({ "": 3, closed: 1, open: 1, "open.ajar": 1, "open.far": 0, gone: 1 });
    expect(ran.err).toBe("1 instance of door in states that it no longer has\n");
  });

  test("all pages are counted", async () => {
    const keys = Array.from({ length: 205 }, (_, i) => `many-${i}`);
    for (const key of keys) await signal(key, "OPEN");
    const total = async () => countsIn(await ask(["graph", "door", "--url", url, "--json"]))["open.ajar"];
    await expect.poll(total).toBe(206);
    server.signal("SIGTERM");
    await server.ended;
    // Without a server the files say the same, and the log that they keep.
    expect(countsIn(await ask(["graph", "door", "--counts", "--json"]))).toMatchObject({ "": 209, "open.ajar": 206 });
    expect(await ask(["graph", "door", "--url", url])).toMatchObject({ code: 4, out: "" });
  });
});
