/** A client of the API, made from the table: one function per endpoint, typed by its schemas. The caller sends the requests. */
import type { BodyOf, Endpoint, Endpoints, ParamsOf, QueryOf, ResultOf } from "./endpoint.ts";
import { API_ENDPOINTS, type ApiTable } from "./index.ts";

/** One request of a client; parts that the endpoint does not have are absent. */
export interface ApiRequest {
  params?: Readonly<Record<string, string>>;
  query?: Readonly<Record<string, string | number | undefined>>;
  body?: unknown;
}

/** Optional when none of its keys is required; absent when it has no keys. */
type Part<Name extends string, Value> = [Value] extends [undefined]
  ? object
  : [keyof Value] extends [never]
    ? object
    : object extends Value
      ? { [N in Name]?: Value }
      : { [N in Name]: Value };
type InputOf<E extends Endpoint> = Part<"params", ParamsOf<E>> & Part<"query", QueryOf<E>> & Part<"body", BodyOf<E>>;
type ArgumentsOf<Input> = object extends Input ? [input?: Input] : [input: Input];

type Client<Table extends Endpoints> = {
  readonly [Id in keyof Table]: (...input: ArgumentsOf<InputOf<Table[Id]>>) => Promise<ResultOf<Table[Id]>>;
};

/** The client of all endpoints under /api/v1. */
export type ApiClient = Client<ApiTable>;

/** `ask` sends one request: it resolves with the body of the response and rejects for an error. */
export function createClient(ask: (id: keyof ApiTable, request: ApiRequest) => Promise<unknown>): ApiClient {
  const ids = Object.keys(API_ENDPOINTS) as (keyof ApiTable)[];
  // The table types the result of `ask`: tests check the server's responses against it.
  return Object.fromEntries(ids.map((id) => [id, (request: ApiRequest = {}) => ask(id, request)])) as never;
}

/** Path and query of a request, as they go into a URL. */
export function targetOf({ path }: Endpoint, { params = {}, query = {} }: ApiRequest): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return search.size > 0 ? `${filled}?${search}` : filled;
}
