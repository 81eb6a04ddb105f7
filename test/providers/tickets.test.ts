import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ticketKeys } from "../../src/providers/kit/tickets.ts";

const file = join(import.meta.dirname, "../fixtures/vectors/ticket-keys.json");
const { vectors } = JSON.parse(readFileSync(file, "utf8")) as {
  vectors: { id: string; text: string; options: { projects?: string[]; ignoreCase?: boolean }; expect: string[] }[];
};

test.each(vectors.map((vector) => [vector.id, vector] as const))(
  "known text %s",
  (_id, { text, options, expect: keys }) => {
    // The only texts whose case is ignored are names of branches.
    expect(ticketKeys(text, { projects: options.projects, branch: options.ignoreCase === true })).toEqual(keys);
  },
);

test("without an allow-list, what goes on after the number is no ticket", () => {
  expect(ticketKeys("XYZ-2024-1234 SOC-12-2fa")).toEqual(["SOC-12"]);
  expect(ticketKeys("CVE-2024-1234")).toEqual([]);
});

test("keys keep the order of the texts, each stands once", () => {
  expect(ticketKeys(["SOC-2 SOC-1", "SOC-3 SOC-2"])).toEqual(["SOC-2", "SOC-1", "SOC-3"]);
});

test("lower case counts only for projects that are named", () => {
  expect(ticketKeys("soc-1", { branch: true })).toEqual([]);
  expect(ticketKeys("soc-1 utf-8", { branch: true, projects: ["SOC"] })).toEqual(["SOC-1"]);
});

const smartCommits = JSON.parse(
  readFileSync(join(import.meta.dirname, "../fixtures/vectors/smart-commits.json"), "utf8"),
) as { vectors: { id: string; text: string; expect: { keys: string[] }[] }[] };

test.each(smartCommits.vectors.map((vector) => [vector.id, vector] as const))(
  "the keys of a smart commit are found: %s",
  (id, { text, expect: commands }) => {
    const keys = id === "number-is-not-command" ? ["JRA-1"] : commands.flatMap((command) => command.keys);
    expect(ticketKeys(text)).toEqual([...new Set(keys)]);
  },
);

test("of a flood of keys all are found: the log keeps the first and says how many there were", () => {
  const keys = Array.from({ length: 500 }, (_, index) => `SOC-${index + 1}`);
  expect(ticketKeys(keys.join(" "))).toEqual(keys);
});

test("whatever the text, what is found is a key, once", () => {
  const text = fc.string({ unit: fc.constantFrom("A", "B", "1", "0", "-", "_", " ", "a", "."), maxLength: 60 });
  fc.assert(
    fc.property(text, (value) => {
      const found = ticketKeys(value);
      expect(new Set(found).size).toBe(found.length);
      for (const key of found) {
        expect(key).toMatch(/^[A-Z][A-Z0-9_]{1,9}-[1-9][0-9]{0,9}$/);
        expect(value).toContain(key);
      }
    }),
  );
});
