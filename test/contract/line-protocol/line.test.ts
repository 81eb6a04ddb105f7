/** A provider for a transport that is not HTTP, brought by a project: it keeps the contract through `network`, and nothing else knows of it. */
import { expect, test } from "vitest";
import { clausesOf } from "../../../src/contract/contract.ts";
import { loadProviders, loadStandIn } from "../../../src/providers/index.ts";

const project = import.meta.dirname;
const line = (await loadProviders(project)).get("line")!;
const clauses = clausesOf(line, await loadStandIn("line", project));

test.each(clauses.map(({ subject, text, hold }) => [subject, text, hold] as const))("%s %s", (_subject, _text, hold) =>
  hold(),
);

test("its transport has its own answers in the contract", () => {
  expect(clauses.map(({ text }) => text)).toEqual(
    expect.arrayContaining(["answered LATER: retry", "answered NO: rejected"]),
  );
});
