/** The OpenAPI 3.1 document, made from the table of endpoints; docs/openapi.json is a copy of it. */
import type { TSchema } from "typebox";
import { type Endpoint, type Endpoints, namesIn } from "../api/endpoint.ts";
import { ENDPOINTS } from "../api/index.ts";
import { ProblemDetailsSchema } from "../api/schemas.ts";
import { PROBLEM_TYPE } from "./problem.ts";

type JsonNode = { [key: string]: unknown };

const HEADERS = {
  "x-api-uuid": { $ref: "#/components/headers/x-api-uuid" },
  "x-api-version": { $ref: "#/components/headers/x-api-version" },
};

/** `version` is that of the API, as in x-api-version. */
export function openApiDocument(version: string, endpoints: Endpoints = ENDPOINTS): JsonNode {
  const components = new Map<string, JsonNode>();
  const paths: Record<string, JsonNode> = {};
  for (const [id, endpoint] of Object.entries(endpoints)) {
    paths[endpoint.path] = {
      ...paths[endpoint.path],
      [endpoint.method.toLowerCase()]: operationObject(id, endpoint, components),
    };
  }
  const problem = reference(ProblemDetailsSchema, components);
  return {
    openapi: "3.1.0",
    info: {
      title: "Signalbox",
      version,
      summary: "Verified webhooks in, declarative rules and state machines in the middle, actions out",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "http://127.0.0.1:8081", description: "The admin listener" }],
    paths,
    components: {
      schemas: Object.fromEntries([...components].sort(([a], [b]) => (a < b ? -1 : 1))),
      responses: {
        Problem: { description: "What went wrong", headers: HEADERS, content: { [PROBLEM_TYPE]: { schema: problem } } },
      },
      headers: {
        "x-api-uuid": { description: "The request's id, for support", schema: { type: "string" } },
        "x-api-version": { description: "Semantic version of the API", schema: { type: "string" } },
      },
      securitySchemes: { token: { type: "http", scheme: "bearer", description: "sbx_…; scopes are named by x-scope" } },
    },
  };
}

function operationObject(id: string, endpoint: Endpoint, components: Map<string, JsonNode>): JsonNode {
  const { summary, scope, body } = endpoint;
  const parameters = [...pathParameters(endpoint), ...queryParameters(endpoint, components)];
  const responses = Object.entries(endpoint.responses).map(([status, schema]) => [
    status,
    responseObject(schema && reference(schema, components), endpoint.produces ?? "application/json"),
  ]);
  const content = body && { "application/json": { schema: reference(body, components) } };
  return {
    operationId: id,
    summary,
    ...(scope ? { security: [{ token: [] }], "x-scope": scope } : { security: [] }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(content ? { requestBody: { required: true, content } } : {}),
    responses: { ...Object.fromEntries(responses), default: { $ref: "#/components/responses/Problem" } },
  };
}

function responseObject(schema: unknown, produces: string): JsonNode {
  const type = produces.split(";")[0] ?? produces;
  const content = schema === undefined ? {} : { content: { [type]: { schema } } };
  return { description: schema === undefined ? "Done" : "The answer", headers: HEADERS, ...content };
}

function pathParameters({ path }: Endpoint): JsonNode[] {
  return namesIn(path).map((name) => ({
    name,
    in: "path",
    required: true,
    description: name === "key" ? "Percent-encoded, / and # too" : "Percent-encoded",
    schema: { type: "string", minLength: 1 },
  }));
}

function queryParameters({ query }: Endpoint, components: Map<string, JsonNode>): JsonNode[] {
  const required = new Set(query?.required ?? []);
  return Object.entries(query?.properties ?? {}).map(([name, property]) => {
    const { description, ...schema } = reference(property, components) as JsonNode;
    return { name, in: "query", required: required.has(name), ...(description ? { description } : {}), schema };
  });
}

/** The schema as JSON, with each part that has a title moved to the components and replaced by a reference. */
function reference(schema: TSchema, components: Map<string, JsonNode>): unknown {
  const plain = JSON.parse(JSON.stringify(schema)) as unknown;
  return withReferences(plain, components);
}

function withReferences(value: unknown, components: Map<string, JsonNode>): unknown {
  if (Array.isArray(value)) return value.map((item) => withReferences(item, components));
  if (typeof value !== "object" || value === null) return value;
  const { title, ...rest } = value as JsonNode;
  const inner = Object.fromEntries(Object.entries(rest).map(([key, item]) => [key, withReferences(item, components)]));
  // A property may be called title as well; the title of a schema is text.
  if (typeof title !== "string")
    return title === undefined ? inner : { ...inner, title: withReferences(title, components) };
  components.set(title, inner);
  return { $ref: `#/components/schemas/${title}` };
}
