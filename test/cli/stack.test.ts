/** The places in a failure file are those of the sources. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { transformSync } from "esbuild";
import { expect, test } from "vitest";
import { sourceStack } from "../../src/cli/terminal/stack.ts";
import { temporary } from "./support/command.ts";

const SOURCE =
  "interface Unused {\n  one: string;\n}\n\nexport function fails(): never {\n  throw new Error('as planned');\n}\n";

function built(): { url: string; line: number; column: number } {
  const file = join(temporary(), "built.js");
  const { code, map } = transformSync(SOURCE, { loader: "ts", sourcemap: true, sourcefile: "../src/cli/fails.ts" });
  writeFileSync(file, code);
  writeFileSync(`${file}.map`, map);
  const lines = readFileSync(file, "utf8").split("\n");
  const line = lines.findIndex((each) => each.includes("throw"));
  return { url: pathToFileURL(file).href, line: line + 1, column: lines[line]!.indexOf("new") + 1 };
}

test("a place in a built file becomes the place in its source, other places stay", () => {
  const { url, line, column } = built();
  const stack = `Error: as planned\n    at fails (${url}:${line}:${column})\n    at node:internal/main:1:2\n    at file:///nowhere/x.js:3:4`;
  expect(sourceStack(stack)).toBe(
    "Error: as planned\n    at fails (src/cli/fails.ts:6:9)\n    at node:internal/main:1:2\n    at file:///nowhere/x.js:3:4",
  );
});
