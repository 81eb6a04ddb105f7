/** What an endpoint is, and the types of its parts. */
import type { Static, TObject, TSchema } from "typebox";

/** Rights of a token. */
export const TOKEN_SCOPES = ["read", "payload:read", "operate", "admin"] as const;
export type TokenScope = (typeof TOKEN_SCOPES)[number];

export interface Endpoint {
  method: "GET" | "POST" | "DELETE";
  /** As in OpenAPI: `/api/v1/events/{id}`. */
  path: string;
  summary: string;
  /** Absent: no token is required. */
  scope?: TokenScope;
  query?: TObject;
  body?: TSchema;
  /** Status → schema of the body; undefined = no body. The first is that of success. */
  responses: Readonly<Record<number, TSchema | undefined>>;
  /** application/json when absent. */
  produces?: string;
}

/** By operationId. */
export type Endpoints = Readonly<Record<string, Endpoint>>;

type NamesIn<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | NamesIn<Rest> : never;
type TypeOf<Schema> = Schema extends TSchema ? Static<Schema> : undefined;

export type ParamsOf<E extends Endpoint> = { [Name in NamesIn<E["path"]>]: string };
export type QueryOf<E extends Endpoint> = E extends { query: infer Query } ? TypeOf<Query> : object;
export type BodyOf<E extends Endpoint> = E extends { body: infer Body } ? TypeOf<Body> : undefined;
/** The body of the response. */
export type ResultOf<E extends Endpoint> = TypeOf<E["responses"][keyof E["responses"]]>;

/** The names in a path, in order. */
export function namesIn(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
}
