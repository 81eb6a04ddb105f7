import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { LIMITS } from "../../src/model.ts";
import { type TicketOptions, ticketKeys } from "../../src/providers/kit/tickets.ts";

const file = join(import.meta.dirname, "../fixtures/vectors/ticket-keys.json");
const { vectors } = JSON.parse(readFileSync(file, "utf8")) as {
  vectors: { id: string; text: string; options: TicketOptions; expect: string[] }[];
};

test.each(vectors.map((vector) => [vector.id, vector] as const))(
  "known text %s",
  (_id, { text, options, expect: keys }) => {
    expect(ticketKeys(text, options)).toEqual(keys);
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
  expect(ticketKeys("soc-1", { ignoreCase: true })).toEqual([]);
  expect(ticketKeys("soc-1 utf-8", { ignoreCase: true, projects: ["SOC"] })).toEqual(["SOC-1"]);
});

test("a flood of keys is cut at the limit", () => {
  const keys = Array.from({ length: 500 }, (_, index) => `SOC-${index + 1}`);
  expect(ticketKeys(keys.join(" "))).toEqual(keys.slice(0, LIMITS.tickets));
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
