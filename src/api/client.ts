/** A client of the API, read from the table: one function per endpoint, typed by its schemas. How a request travels is the caller's. */
import type { BodyOf, Endpoint, Endpoints, ParamsOf, QueryOf, ResultOf } from "./endpoint.ts";
import { API_ENDPOINTS, type ApiTable } from "./index.ts";

/** One request as a client makes it; what the endpoint does not have is absent. */
export interface ApiRequest {
  params?: Readonly<Record<string, string>>;
  query?: Readonly<Record<string, string | number | undefined>>;
  body?: unknown;
}

/** Optional when none of its keys is required; absent when there is nothing to give. */
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

/** Of everything under /api/v1. */
export type ApiClient = Client<ApiTable>;

/** `ask` gives the body of a good answer, and rejects otherwise. */
export function createClient(ask: (id: keyof ApiTable, request: ApiRequest) => Promise<unknown>): ApiClient {
  const ids = Object.keys(API_ENDPOINTS) as (keyof ApiTable)[];
  // What `ask` gives is typed by the table: the server's answers are checked against it in the tests.
  return Object.fromEntries(ids.map((id) => [id, (request: ApiRequest = {}) => ask(id, request)])) as never;
}

/** Path and query of a request, as they go into a URL. */
export function targetOf({ path }: Endpoint, { params = {}, query = {} }: ApiRequest): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return search.size > 0 ? `${filled}?${search}` : filled;
}
