/** schema/*.json is what editors check files with: made from the types that check them here, and of the same opinion. */
import { readdirSync, readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { loadProviders } from "../src/providers/index.ts";
import { schemaFiles } from "../src/schemas.ts";
import { PROVIDERS } from "./support/providers.ts";

const FOLDER = new URL("../schema/", import.meta.url);
const checked = (text: string) => new Ajv({ strict: false, allErrors: true }).compile(JSON.parse(text));

test("the files in schema/ are the ones that the code makes; if not: npm run schemas", async () => {
  const made = schemaFiles(await loadProviders());
  expect(readdirSync(FOLDER).toSorted()).toEqual(Object.keys(made).toSorted());
  for (const [name, text] of Object.entries(made)) expect(readFileSync(new URL(name, FOLDER), "utf8"), name).toBe(text);
});

test.each(Object.entries(schemaFiles(PROVIDERS)))("%s is draft-07 and describes every key", (_name, text) => {
  const schema = JSON.parse(text);
  expect(schema.$schema).toBe("http://json-schema.org/draft-07/schema#");
  expect(() => checked(text)).not.toThrow();
  for (const [key, form] of Object.entries(schema.properties ?? schema.items.properties)) {
    if (!["id", "description", "send"].includes(key)) expect(form, key).toHaveProperty("description");
  }
  // Words of later drafts that editors would pass over without a sound.
  expect(text).not.toMatch(/"(\$defs|unevaluatedProperties|prefixItems|dependentRequired|dependentSchemas)"/);
});

describe("signalbox.json", () => {
  const check = checked(schemaFiles(PROVIDERS)["signalbox.json"] ?? "");
  test.each([
    ["sources: { a: { provider: github, secret: env:X } }", true],
    ["sources: { a: { provider: github, secret: file:/run/secrets/x } }", true],
    ["sources: { a: { provider: github, secret: literal } }", false],
    ["sources: { a: { provider: github, secrets: [literal] } }", false],
    ["sources: { a: { provider: travis, repos: [x] } }", true],
    ["sources: { a: { provider: github, secret: env:X, repos: [x] } }", false],
    ["sources: { a: { provider: githb } }", false],
    ["sources: { a: { secret: env:X } }", false],
    ["sources: { 'a.b': { provider: travis } }", false],
    ["sources: { a: { provider: custom, keys: [{ id: x, key: env:X }] } }", true],
    ["sources: { a: { provider: custom, keys: [{ id: x, key: literal }] } }", false],
    ["connections: { a: { provider: jira, url: 'https://x', token: env:X } }", true],
    ["connections: { a: { provider: jira, url: 'ftp://x', token: env:X } }", false],
    ["connections: { a: { provider: jira, url: '${JIRA}', token: env:X } }", true],
    ["connections: { a: { provider: jira, url: env:JIRA, token: env:X } }", true],
    ["connections: { a: { provider: travis } }", false],
    ["connections: { a: { provider: slack, webhook: env:X, concurrency: 0 } }", false],
    ["server: { port: 80 }", true],
    ["server: { port: '${PORT:-80}' }", true],
    ["server: { port: eighty }", false],
    ["server: { port: 70000 }", false],
    ["auth: { local: '${LOCAL}' }", true],
    ["log: debug", true],
    ["log: loud", false],
    ["sorces: {}", false],
    ["{}", true],
  ])("%s fits: %s", (text, fits) => {
    expect(check(parse(text)), JSON.stringify(check.errors)).toBe(fits);
  });
});

describe("rules.json and machine.json", () => {
  const files = schemaFiles(PROVIDERS);
  const rules = checked(files["rules.json"] ?? "");
  const machine = checked(files["machine.json"] ?? "");
  test.each([
    ["- { id: a, event: b, do: [{ slack.post: {} }] }", true],
    ["- { id: a, event: [b, c], match: { x.y: [1] }, send: { machine: m, key: k, event: E } }", true],
    ["- { id: A, event: b }", false],
    ["- { id: a, event: b, whne: x }", false],
    ["id: a", false],
  ])("rules: %s fits: %s", (text, fits) => {
    expect(rules(parse(text))).toBe(fits);
  });
  test.each([
    ["{ id: a, initial: b, states: { b: { on: { X: c }, after: { 1h: c } }, c: { type: final } } }", true],
    ["{ id: a, initial: b, states: { b: { on: { X: { target: c, gaurd: x } } }, c: {} } }", false],
    ["{ initial: b, states: { b: {} } }", false],
  ])("machine: %s fits: %s", (text, fits) => {
    expect(machine(parse(text))).toBe(fits);
  });
});
