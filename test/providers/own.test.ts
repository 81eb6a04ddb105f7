/** A project's own providers: found like the shipped ones, refused with place and reason, held to the same contract. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { escapeProblem } from "../../src/core/slot.ts";
import type { Provider } from "../../src/ports/provider.ts";
import { loadProviders, loadStandIn } from "../../src/providers/index.ts";

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "own-"));
  write("package.json", '{"type":"module"}');
});
afterEach(() => rmSync(project, { recursive: true }));

function write(file: string, text: string): void {
  mkdirSync(dirname(join(project, file)), { recursive: true });
  writeFileSync(join(project, file), text);
}

const GITEA = `export default { name: "gitea", summary: "x", connection: { settings: {}, actions: {} } };`;

test("a provider is a file or a folder named like its default export; what else lies there is none", async () => {
  write("providers/gitea.mjs", GITEA);
  write("providers/gitea.stand-in.mjs", "export default { answers: { a: {} } };");
  write("providers/gogs/index.js", GITEA.replace("gitea", "gogs"));
  write("providers/gogs/stand-in.js", "export default { answers: { b: {} } };");
  write("providers/index.js", "throw new Error('not a provider');");
  write("providers/gitea.mjs.map", "{}");
  write("providers/gitea.d.ts", "");
  write("providers/lib/helper.js", "throw new Error('not a provider');");
  const own = [...(await loadProviders(project)).keys()].filter((name) => name.startsWith("g") && name !== "github");
  expect(own).toEqual(["gitea", "gogs"]);
  expect(await loadStandIn("gitea", project)).toEqual({ answers: { a: {} } });
  expect(await loadStandIn("gogs", project)).toEqual({ answers: { b: {} } });
  expect(await loadStandIn("http", project)).toEqual({});
});

test("a project without providers/ has the shipped ones", async () => {
  expect([...(await loadProviders(project)).keys()]).toEqual([...(await loadProviders()).keys()]);
});

test("a default export may be a function of the kit", async () => {
  write(
    "providers/gitea.js",
    GITEA.replace("export default {", "export default ({ outcomeOf }) => ({ outcomeOf,").replace("};", "});"),
  );
  expect((await loadProviders(project)).get("gitea")).toMatchObject({ outcomeOf: expect.any(Function) });
});

describe("a file that is no provider is refused with place and reason:", () => {
  test.each([
    ["a taken name", "github.js", GITEA.replace("gitea", "github"), 'the name "github" is taken'],
    [
      "another name",
      "gitea.js",
      GITEA.replace("gitea", "gogs"),
      'its name is "gogs", and must be "gitea" like the file',
    ],
    ["no default export", "gitea.js", "export const x = 1;", "its default export is no object"],
    ["a name that is none", "Gitea.js", GITEA.replace("gitea", "Gitea"), '"Gitea" is no name'],
    ["nothing in it", "gitea.js", 'export default { name: "gitea", summary: "x" };', "neither source nor connection"],
    ["no summary", "gitea.js", 'export default { name: "gitea" };', "it has no summary"],
    [
      "a source of no kind",
      "gitea.js",
      'export default { name: "gitea", summary: "x", source: { settings: {}, events: {} } };',
      '"webhook" or "feed"',
    ],
    [
      "a webhook that verifies nothing",
      "gitea.js",
      'export default { name: "gitea", summary: "x", source: { kind: "webhook", settings: {}, events: {} } };',
      'no function "verify"',
    ],
    [
      "an action that does nothing",
      "gitea.js",
      GITEA.replace("actions: {}", "actions: { post: { params: {} } }"),
      'its action "post" needs params and perform',
    ],
    [
      "an escape that does not exist",
      "gitea.js",
      GITEA.replace(
        "actions: {}",
        `escapes: { wiki: String }, actions: { post: { perform() {}, params: { properties: { a: { escape: "wiki" },
          list: { items: { anyOf: [{ properties: { text: { escape: "markdwn" } } }] } } } } } }`,
      ),
      'the parameter "list.*.text" of its action "post" names the escape "markdwn"; write none, html, url, wiki, or',
    ],
    ["a file that throws", "gitea.js", 'throw new Error("no such module");', "no such module"],
    ["a file that is not JavaScript", "gitea.js", "export default {", "gitea.js is no provider: "],
  ])("%s", async (_what, file, text, reason) => {
    write(`providers/${file}`, text);
    const path = join(project, "providers", file);
    const problemOf = ({ connection }: Provider) => connection && escapeProblem(connection.actions, connection.escapes);
    await expect(loadProviders(project, problemOf)).rejects.toMatchObject({
      code: "SB0916",
      problems: [{ code: "SB0916", file: path, message: expect.stringContaining(reason) }],
    });
  });

  test("all of them at once", async () => {
    write("providers/a.js", "export default 1;");
    write("providers/b.js", "export default 2;");
    await expect(loadProviders(project)).rejects.toMatchObject({ problems: [{}, {}] });
  });
});
