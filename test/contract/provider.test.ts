/** The contract of providers, for every shipped one: against real servers on loopback. New providers join by themselves. */
import { describe, expect, test } from "vitest";
import { clausesOf } from "../../src/contract/contract.ts";
import { loadProviders, loadStandIn } from "../../src/providers/index.ts";

const providers = [...(await loadProviders()).values()];
const clauses = await Promise.all(
  providers.map(async (provider) => [provider.name, clausesOf(provider, await loadStandIn(provider.name))] as const),
);

test("there are providers, actions and sources", () => {
  const subjects = new Set(clauses.flatMap(([, all]) => all.map(({ subject }) => subject)));
  expect([...subjects]).toEqual(
    expect.arrayContaining([
      "github",
      "github.comment",
      "github.status",
      "github (source)",
      "http.request",
      "http (source)",
    ]),
  );
});

describe.each(clauses)("%s", (_name, all) => {
  test.each(all.map(({ subject, text, hold }) => [subject, text, hold] as const))("%s: %s", (_subject, _text, hold) =>
    hold(),
  );
});
