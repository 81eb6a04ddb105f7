import { readFileSync, writeFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import type { Endpoint } from "../../src/api/endpoint.ts";
import { ENDPOINTS } from "../../src/api/index.ts";
import { openApiDocument } from "../../src/web/openapi.ts";

const FILE = new URL("../../docs/openapi.json", import.meta.url);
const VERSION = "1.0.0";
const document = openApiDocument(VERSION);
const endpoints: Endpoint[] = Object.values(ENDPOINTS);

// UPDATE_OPENAPI=1 writes the file; a change of it is a change of the API and belongs into the changelog.
if (process.env.UPDATE_OPENAPI === "1") writeFileSync(FILE, `${JSON.stringify(document, null, 2)}\n`);

interface Operation {
  operationId: string;
  security: unknown[];
  "x-scope"?: string;
  parameters?: { name: string; in: string; required: boolean }[];
  requestBody?: unknown;
  responses: Record<string, { headers?: Record<string, unknown>; content?: Record<string, unknown> }>;
}
const paths = document.paths as Record<string, Record<string, Operation>>;
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

test("docs/openapi.json is what the server answers", () => {
  expect(JSON.parse(readFileSync(FILE, "utf8"))).toEqual(JSON.parse(JSON.stringify(document)));
});

test("every endpoint is in it, with its scope, and nothing else is", () => {
  const described = operations.map(({ path, method, operation }) => [method.toUpperCase(), path, operation["x-scope"]]);
  expect(described.sort()).toEqual(endpoints.map(({ method, path, scope }) => [method, path, scope]).sort());
  for (const { operation } of operations) {
    expect(operation.security).toEqual(operation["x-scope"] ? [{ token: [] }] : []);
  }
});

test("what anybody may ask is the probes and this document; tokens and the audit log are for admins", () => {
  const open = operations.filter(({ operation }) => !operation["x-scope"]).map(({ path }) => path);
  expect(open.sort()).toEqual(["/api/v1/openapi.json", "/healthz", "/readyz"]);
  const admin = operations.filter(({ operation }) => operation["x-scope"] === "admin").map(({ path }) => path);
  expect(new Set(admin)).toEqual(new Set(["/api/v1/audit", "/api/v1/tokens", "/api/v1/tokens/{name}"]));
  const writes = operations.filter(({ method, path }) => method !== "get" && !/\/(decide|plan)$/.test(path));
  expect(
    writes.map(({ operation }) => operation["x-scope"]).every((scope) => scope === "operate" || scope === "admin"),
  ).toBe(true);
});

describe("the document", () => {
  test("names each operation once and each path parameter", () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, operation } of operations) {
      const named = (operation.parameters ?? [])
        .filter((one) => one.in === "path" && one.required)
        .map(({ name }) => name);
      expect(named).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    }
  });

  test("says that every answer carries the request's id and the version", () => {
    for (const { operation } of operations) {
      for (const response of Object.values(operation.responses)) {
        if ("$ref" in response) continue;
        expect(Object.keys(response.headers ?? {})).toEqual(["x-api-uuid", "x-api-version"]);
      }
      expect(operation.responses).toHaveProperty("default");
    }
  });

  test("refers only to what it holds, and its schemas compile", () => {
    const text = JSON.stringify(document);
    for (const [, pointer] of text.matchAll(/"\$ref":"#([^"]+)"/g)) {
      const found = pointer!
        .split("/")
        .slice(1)
        .reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], document);
      expect(found, pointer!).toBeDefined();
    }
    const ajv = new Ajv2020({ strict: false });
    ajv.addSchema({ $id: "api", ...document });
    const names = Object.keys((document.components as { schemas: object }).schemas);
    expect(names).toEqual(
      expect.arrayContaining(["Event", "Delivery", "Instance", "Explanation", "ProblemDetails", "Status"]),
    );
    for (const name of names) expect(ajv.compile({ $ref: `api#/components/schemas/${name}` })).toBeTypeOf("function");
  });

  test("has one meaning per name of a component", () => {
    // The same title with another content would silently win over the first.
    const seen = new Map<string, string>();
    const visit = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return;
      const { title } = value as { title?: unknown };
      if (typeof title === "string" && "type" in value) {
        const text = JSON.stringify(value);
        expect(seen.get(title) ?? text, title).toBe(text);
        seen.set(title, text);
      }
      for (const item of Object.values(value)) visit(item);
    };
    for (const { query, body, responses } of endpoints) visit([query, body, Object.values(responses)]);
    expect(seen.size).toBeGreaterThan(20);
  });
});
