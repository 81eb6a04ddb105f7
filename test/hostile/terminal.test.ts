/** What anybody else wrote is shown to a person, and never acted on by the person's terminal. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createLogger } from "../../src/log.ts";
import { inert, inertOutput } from "../../src/model.ts";
import { command, temporary } from "../cli/support/command.ts";

/** One of every kind: clearing the screen, the same as one C1 character, a title, DEL, text backwards, a forged line, half an emoji. */
const ATTACKS = {
  escape: "\u001b[2J",
  "one-character CSI": "\u009b2J",
  title: "\u001b]0;owned\u0007",
  delete: "\u007f",
  override: "\u202eexe.txt",
  isolate: "\u2066x\u2069",
  "right-to-left mark": "\u200f",
  "Arabic letter mark": "\u061c",
  "line separator": "\u2028",
  "next line": "\u0085",
  "half a pair": "\ud83d",
  return: "a\rb",
};
const EVERYTHING = Object.values(ATTACKS).join("");
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const ACTING = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/u;

describe("a text of outside", () => {
  test.each(Object.entries(ATTACKS))("with %s is shown on one line without it", (_, attack) => {
    for (const text of [inert(`a${attack}b`), inert(`a${attack}b`, "?")]) expect(text).not.toMatch(ACTING);
  });

  test("keeps every other character: letters of all scripts, emoji of several parts, flags", () => {
    for (const text of ["Grüße, 東京", "שלום", "👩‍👩‍👧", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "e\u0301"]) expect(inert(text)).toBe(text);
  });

  test("means the same as JSON after it was made harmless", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const json = inertOutput(JSON.stringify({ text }, null, 2));
        expect(json).not.toMatch(ACTING);
        expect(JSON.parse(json)).toEqual({ text });
      }),
    );
  });

  test("has no colours of its own where there are none, and ours stay where there are", () => {
    expect(inertOutput("\u001b[31mred\u001b[0m")).toBe("\\u001b[31mred\\u001b[0m");
    expect(inertOutput("\u001b[31mred\u001b[0m\u001b[5m", { color: true })).toBe("\u001b[31mred\u001b[0m\\u001b[5m");
  });
});

describe("every command", () => {
  test.each([
    ["an argument that is no command", [EVERYTHING]],
    ["an unknown option", [`--${EVERYTHING}`]],
    ["a folder that is not there", ["check", "-C", `/nowhere/${EVERYTHING}`]],
    ["a wrong duration", ["events", "--timeout", EVERYTHING]],
    ["a server of a strange name", ["events", "--url", `http://${EVERYTHING}`]],
    ["an explanation that there is none of", ["explain", EVERYTHING]],
    ["a provider that there is none of", ["providers", EVERYTHING]],
    ["a schema that there is none of", ["schema", EVERYTHING]],
  ])("is not steered by %s", async (_, args) => {
    for (const more of [[], ["--json"], ["--color", "always"]]) {
      const { out, err } = await command([...args, ...more]);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours.
      const text = (out + err).replace(/\u001b\[(?:0|1|2|[13;]*3[1-6])m/g, "");
      expect(text).not.toBe("");
      expect(text).not.toMatch(ACTING);
    }
  });

  test.each(["pretty", "compact", "github", "json"])(
    "is not steered by a rule file, with check --format %s",
    async (format) => {
      const dir = temporary();
      for (const name of ["rules", "statemachines"]) mkdirSync(join(dir, name));
      writeFileSync(join(dir, "signalbox.yaml"), "server:\n  port: 7700\n");
      const key = JSON.stringify(`do${ATTACKS.override}${ATTACKS["one-character CSI"]}${ATTACKS.delete}`);
      writeFileSync(join(dir, "rules", "bad.yaml"), `rules:\n  - id: a\n    ${key}: 1 # \u009b2J \u202e\n`);
      const { out, err } = await command(["check", "-C", dir, "--format", format]);
      expect(out + err).toContain("bad.yaml");
      expect(out + err).not.toMatch(ACTING);
    },
  );
});

test.each([true, false])("the log is not steered either (for people: %s)", (pretty) => {
  const lines: string[] = [];
  const log = createLogger({ level: "info", secrets: [], pretty, destination: { write: (line) => lines.push(line) } });
  log.info(EVERYTHING, { [EVERYTHING]: EVERYTHING, nested: { text: EVERYTHING }, error: new Error(EVERYTHING) });
  expect(lines).toHaveLength(1);
  expect(lines[0]?.slice(0, -1)).not.toMatch(ACTING);
});
