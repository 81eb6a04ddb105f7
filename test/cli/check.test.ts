/** `signalbox check` beside what is known of events: the providers' samples, and a store on disk that is only looked at. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { Type } from "typebox";
import { describe, expect, test } from "vitest";
import { checkReport } from "../../src/cli/check-report.ts";
import type { JsonObject } from "../../src/model.ts";
import type { Provider, Webhook } from "../../src/ports/provider.ts";
import { loadProviders } from "../../src/providers/index.ts";
import { sqliteStore } from "../../src/store/sqlite/store.ts";
import { newEvent } from "../support/nouns.ts";
import { command, json, project } from "./support/command.ts";

const TYPE = "github.pull_request.closed";
const rule = (id: string, match: string, event = TYPE) =>
  `- id: ${id}\n  event: ${event}\n  match: ${match}\n  do: [{ slack.post: { channel: "#dev", text: "x" } }]\n`;

/** A delivery with more than the sample shows. */
const PULL: JsonObject = {
  action: "closed",
  number: 412,
  installation: { id: 7 },
  pull_request: { merged: true, merged_by: null, comments: 3, mergeable_state: "clean" },
};

async function fill(cwd: string, count: number, more: Parameters<typeof newEvent>[1] = {}): Promise<string> {
  const path = join(cwd, "data", "signalbox.db");
  const store = await sqliteStore({ path });
  const events = Array.from({ length: count }, (_, i) => {
    const branch = `feature/${i}`;
    return newEvent(`evt_${more.source ?? "github"}_${i}`, {
      type: TYPE,
      source: "github",
      branch,
      data: PULL,
      ...more,
    });
  });
  await store.append(events);
  await store.close();
  return path;
}

interface Checked {
  summary: { recordedEvents: number };
  diagnostics: { code: string; message: string; file: string; line: number; column: number; suggestion?: object }[];
}
async function checked(cwd: string, args: string[] = []): Promise<Checked> {
  const ran = await command(["check", "--json", ...args], { cwd });
  expect(ran).toMatchObject({ code: 0, err: "" });
  return json(ran) as unknown as Checked;
}
const told = ({ diagnostics }: Checked) =>
  diagnostics.map(({ code, line, column, suggestion }) => `${code} ${line}:${column} ${JSON.stringify(suggestion)}`);

describe("without a store", () => {
  test("rules are compared with the samples of the providers, and no store comes into being", async () => {
    const match = "{ data.pull_request.mergd: true, data.pull_request.comments: 3, data.action: merged }";
    const cwd = await project({ "rules/more.yaml": rule("slip", match) });
    const { out, code, err } = await command(["check"], { cwd });
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain(
      [
        'warning[SB0313]: None of the 3 known github.pull_request.closed events has "data.pull_request.mergd"',
        " --> rules/more.yaml:3:12",
        "  |",
        `2 |   event: ${TYPE}`,
        `3 |   match: ${match}`,
        "  |            ^^^^^^^^^^^^^^^^^^^^^^^ did you mean `data.pull_request.merged`?",
      ].join("\n"),
    );
    expect(out).toContain(
      'warning[SB0314]: "merged" is never the value of "data.action": in the 3 known github.pull_request.closed events it is "closed"',
    );
    expect(out).toContain("0 errors, 2 warnings");
    expect(existsSync(join(cwd, "data"))).toBe(false);
    mkdirSync(join(cwd, "data"));
    expect(await checked(cwd)).toMatchObject({ diagnostics: [{ code: "SB0313" }, { code: "SB0314" }] });
    expect(readdirSync(join(cwd, "data"))).toEqual([]);
    expect(await command(["check", "--fail-on", "warning"], { cwd })).toMatchObject({ code: 1 });
    expect((await checked(cwd)).summary).toMatchObject({ recordedEvents: 0 });
  });

  test("no secret need be set, and a project whose store is elsewhere is checked as well", async () => {
    const cwd = await project({ ".env": "", "rules/more.yaml": rule("slip", "{ data.pull_request.mergd: true }") });
    expect((await checked(cwd)).diagnostics.map(({ code }) => code)).toContain("SB0313");
    const config = readFileSync(join(cwd, "signalbox.yaml"), "utf8");
    for (const store of ["memory", "postgres://nobody@127.0.0.1:9/none"]) {
      writeFileSync(join(cwd, "signalbox.yaml"), config.replace(/^store: .*$/m, `store: ${store}`));
      expect((await checked(cwd)).diagnostics.map(({ code }) => code)).toContain("SB0313");
    }
  });

  test("a sample is no evidence where the configuration says what the events are", async () => {
    const rules = rule("own", "{ data.stage: prod }", "open.received");
    const dir = await project({ "rules/more.yaml": rules });
    const codesWith = async (settings: Parameters<typeof Type.Object>[0]) => {
      const providers = new Map([...(await loadProviders()), ["open", openProvider(Type.Object(settings))]]);
      return (await checkReport({ dir, env: {}, providers })).diagnostics.map(({ code }) => code);
    };
    const missing = await codesWith({ type: Type.Optional(Type.String()) });
    expect(await codesWith({})).toEqual([...missing, "SB0313"]);
    const cwd = await project({ "rules/more.yaml": rule("own", "{ data.stage: prod }", "http.received") });
    expect((await checked(cwd)).diagnostics).toEqual([]);
  });

  test("no rule that names fields and values of the samples is told anything", async () => {
    const rules: string[] = [];
    for (const { source } of (await loadProviders()).values()) {
      for (const [name, { sample }] of Object.entries(source?.events ?? {})) {
        if (!sample) continue;
        const pattern = JSON.stringify({ data: valuesOf(sample().body) });
        const type = name.replace(/\.(merged|rejected)$/, ".closed");
        rules.push(rule(`r${rules.length}`, pattern, type));
      }
    }
    expect(rules.length).toBeGreaterThan(10);
    const cwd = await project({ "rules/more.yaml": rules.join("") });
    expect((await checked(cwd)).diagnostics).toEqual([]);
  });
});

/** Its one sample has a field that is nearly `stage`. */
function openProvider(settings: Webhook["settings"]): Provider {
  const source: Webhook = {
    kind: "webhook",
    summary: "Receives",
    settings,
    needsSecret: false,
    contentTypes: ["*"],
    verify: () => ({ ok: false, reason: "no_secret" }),
    normalise: ({ body }) => ({
      kind: "events",
      events: [{ type: "open.received", data: JSON.parse(body.toString()) }],
    }),
    events: { "open.received": { summary: "One", sample: () => ({ headers: {}, body: { state: "prod" } }) } },
  };
  return { name: "open", summary: "Open", source };
}

/** A pattern that asks for every value there is. */
function valuesOf(body: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(body).flatMap(([key, value]): [string, JsonObject | JsonObject[string]][] => {
      if (Array.isArray(value)) return [];
      if (typeof value === "object" && value !== null) return [[key, valuesOf(value)]];
      return [[key, [value]]];
    }),
  );
}

describe("with a store", () => {
  const MATCH =
    "{ data.installation.id: 7, data.pull_request.rebaseable: true, data.pull_request.mergeable_state: Clean }";

  test("what none of enough recorded events has is told, and the store is left as it was", async () => {
    const cwd = await project({ "rules/more.yaml": rule("rare", MATCH) });
    const path = await fill(cwd, 30);
    const before = readFileSync(path);
    const files = readdirSync(join(cwd, "data"));
    const report = await checked(cwd);
    expect(told(report)).toEqual(["SB0313 3:37 undefined", 'SB0314 3:108 {"replace":"clean"}']);
    expect(report.diagnostics.map(({ message }) => message)).toEqual([
      'None of the 33 known github.pull_request.closed events has "data.pull_request.rebaseable"',
      '"Clean" is never the value of "data.pull_request.mergeable_state": in the 33 known github.pull_request.closed events it is "clean"',
    ]);
    expect(report.summary.recordedEvents).toBe(30);
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(join(cwd, "data"))).toEqual(files);
  });

  test("a few recorded events are no evidence of what is rare", async () => {
    const cwd = await project({ "rules/more.yaml": rule("rare", MATCH) });
    await fill(cwd, 19);
    expect(told(await checked(cwd))).toEqual([]);
  });

  test("it is read while a server has it open, and at most 200 events of a type that rules name", async () => {
    const cwd = await project({ "rules/more.yaml": rule("rare", MATCH) });
    const path = await fill(cwd, 250);
    await fill(cwd, 5, { source: "other", type: "github.unasked" });
    const store = await sqliteStore({ path });
    await store.append([newEvent("evt_last", { type: TYPE, source: "github", data: PULL })]);
    expect(existsSync(`${path}-wal`)).toBe(true);
    const report = await checked(cwd);
    expect(report.summary.recordedEvents).toBe(200);
    expect(told(report)).toHaveLength(2);
    expect((await store.counts()).events).toBe(256);
    await store.close();
  });

  test("our own events, those of sources that are gone, and samples that were sent are no evidence", async () => {
    const { github } = Object.fromEntries(await loadProviders());
    const { body } = github!.source!.events[TYPE]!.sample!();
    for (const more of [{ source: "signalbox" }, { source: "gone" }, { data: body }]) {
      const cwd = await project({ "rules/more.yaml": rule("rare", MATCH) });
      await fill(cwd, 40, more);
      expect(await checked(cwd)).toMatchObject({ summary: { recordedEvents: 0 }, diagnostics: [] });
    }
  });

  test("one of another version is neither migrated nor read, and what is none at all does not matter", async () => {
    const cwd = await project({ "rules/more.yaml": rule("rare", MATCH) });
    const path = await fill(cwd, 30);
    const db = new SqliteDatabase(path);
    const version = Number(db.pragma("user_version", { simple: true }));
    for (const other of [version - 1, version + 1]) {
      db.pragma(`user_version = ${other}`);
      expect(await checked(cwd)).toMatchObject({ summary: { recordedEvents: 0 }, diagnostics: [] });
      expect(db.pragma("user_version", { simple: true })).toBe(other);
    }
    db.close();
    const empty = await project({ "rules/more.yaml": rule("rare", MATCH) });
    mkdirSync(join(empty, "data"));
    for (const text of ["", "no database at all ".repeat(100)]) {
      writeFileSync(join(empty, "data", "signalbox.db"), text);
      expect(await checked(empty)).toMatchObject({ summary: { recordedEvents: 0 }, diagnostics: [] });
      expect(readFileSync(join(empty, "data", "signalbox.db"), "utf8")).toBe(text);
      expect(readdirSync(join(empty, "data"))).toEqual(["signalbox.db"]);
    }
  });

  test("findings stand in the order of files and lines, and with a path only those of it are told", async () => {
    const cwd = await project({
      "rules/a.yaml": rule("a", "{ data.pull_request.mergd: true, brnch: main }"),
      "rules/b.yaml": rule("b", "{ brnch: main }") + rule("c", "{ data.pull_request.mergd: true }"),
    });
    const places = async (...paths: string[]) =>
      (await checked(cwd, paths)).diagnostics.map(
        ({ code, file, line, column }) => `${code} ${file}:${line}:${column}`,
      );
    const ofB = ["SB0310 rules/b.yaml:3:12", "SB0313 rules/b.yaml:7:12"];
    expect(await places()).toEqual(["SB0313 rules/a.yaml:3:12", "SB0310 rules/a.yaml:3:43", ...ofB]);
    expect(await places("rules/b.yaml")).toEqual(ofB);
  });
});
