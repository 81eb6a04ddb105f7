/** A value from an event is one segment of the address that is called, or nothing is called. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileValue } from "../../src/core/render.ts";
import { createNetwork } from "../../src/network/network.ts";
import type { HttpRequest } from "../../src/ports/network.ts";
import { request } from "../../src/providers/http/request.ts";

const BASE = "https://api.example.com/v1";

/** What is called for the value, or why nothing is. */
async function called(params: Record<string, unknown>, value: string, url: string | null = BASE): Promise<string> {
  const { renderer, diagnostics } = compileValue(params, { schema: request.params });
  expect(diagnostics).toEqual([]);
  const rendered = renderer.render({ event: { value }, vars: { up: ".." } } as never);
  if (!rendered.ok) return rendered.detail;
  const calls: HttpRequest[] = [];
  const http = {
    request: async (one: HttpRequest) => {
      calls.push(one);
      return { kind: "answered", status: 200, headers: {}, text: "" };
    },
  };
  const connection = { name: "api", settings: url === null ? {} : { url } };
  const context = { connection, network: { http }, nowMs: 0, idempotencyKey: "k" };
  const outcome = await request.perform(rendered.value as never, context as never);
  return calls[0]?.url ?? (outcome.kind === "rejected" ? outcome.error.message : outcome.kind);
}

const REFUSED = expect.stringContaining('"." or ".."');

describe("a value that would lead to another address is refused", () => {
  const hostile = ["..", ".", "../admin", "..\\admin", "a/../../admin", "a/./b", "./", "/.."];
  test.each(hostile)("%j in a path", async (value) => {
    expect(await called({ path: "/users/{{event.value}}/keys" }, value)).toEqual(REFUSED);
  });

  test.each(hostile)("%j in a url", async (value) => {
    expect(await called({ url: `${BASE}/users/{{event.value}}` }, value)).toEqual(REFUSED);
    expect(await called({ url: "https://other.example.com/{{event.value}}" }, value, null)).toEqual(REFUSED);
  });

  test.each([
    ["two values that make it together", "/users/{{event.value}}{{event.value}}/keys", "."],
    ["a value behind a dot of the author", "/users/.{{event.value}}/keys", "."],
    ["the author's own dots", "/users/{{vars.up}}/{{event.value}}", "x"],
    ["dots that are encoded already", "/users/%2e%2E/{{event.value}}", "x"],
    ["one of them encoded", "/users/.%2e/{{event.value}}", "x"],
    ["a tab between the dots, which a URL drops", "/users/.\t./{{event.value}}", "x"],
    ["a backslash, which a URL takes for a slash", "/users\\../{{event.value}}", "x"],
  ])("%s", async (_, path, value) => {
    expect(await called({ path }, value)).toEqual(REFUSED);
  });

  test("from an expression too", async () => {
    expect(await called({ path: { cel: "'/users/' + event.value" } }, "..")).not.toBe(`${BASE}/`);
  });
});

test("any other value is the one segment it stands in, whatever it holds", async () => {
  const words = fc.string({
    unit: fc.constantFrom("a", ".", "/", "\\", "?", "#", "%", "2", "e", ":", "@", " ", "\n", "ü"),
  });
  await fc.assert(
    fc.asyncProperty(words, async (value) => {
      const url = await called({ path: "/users/{{event.value}}/keys" }, value);
      if (!url.startsWith("https://")) {
        expect(url).toEqual(REFUSED);
        expect(value.split(/[/\\]/).some((part) => part === "." || part === "..")).toBe(true);
        return;
      }
      const { origin, pathname, search, hash } = new URL(url);
      const segments = pathname.split("/");
      expect([origin, search, hash]).toEqual(["https://api.example.com", "", ""]);
      expect([segments.length, segments[2], segments[4]]).toEqual([5, "users", "keys"]);
      expect(decodeURIComponent(segments[3] ?? "")).toBe(value);
    }),
  );
});

test("dots that are no segment, and those behind ? and #, are sent as they are", async () => {
  expect(await called({ path: "/files/{{event.value}}" }, "v1..2.tar.gz")).toBe(`${BASE}/files/v1..2.tar.gz`);
  expect(await called({ path: "/files?up=../{{event.value}}" }, "..")).toBe(`${BASE}/files?up=../..`);
  expect(await called({ path: "/files", query: { name: "../{{event.value}}" } }, "..")).toContain("name=..");
});

test.each([
  "http://127.0.0.1:9/repos/a/../../admin",
  "http://127.0.0.1:9/issue/..",
  "http://127.0.0.1:9/issue/%2E%2e?x=1",
  "http://127.0.0.1:9\\..\\x",
])("no provider, of ours or of a project, calls %s", async (url) => {
  const network = createNetwork({ allowPrivate: true, redact: String });
  const answer = await network.http.request({ method: "GET", url, headers: {} });
  expect(answer).toMatchObject({ kind: "refused", code: "BAD_URL", permanent: true });
  await network.close();
});
