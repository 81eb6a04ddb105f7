/** Handlers of endpoints: their requests and responses, and the check of a request against the schemas. */
import { type TSchema, Type } from "typebox";
import type { BodyOf, Endpoint, Endpoints, ParamsOf, QueryOf, ResultOf } from "../../api/endpoint.ts";
import { namesIn } from "../../api/endpoint.ts";
import { NO_NUL, NoQuery, PAGE_LIMIT } from "../../api/schemas.ts";
import { validatorFor } from "../../core/check.ts";
import { type Diagnostic, SignalboxError } from "../../errors.ts";
import type { Operations } from "../../operations/operations.ts";
import type { Page } from "../../ports/questions.ts";
import { allows, type Principal } from "../access.ts";
import { type PayloadView, payloadView } from "./payload.ts";

/** The collaborators of handlers. */
export interface EndpointDeps {
  operations: Operations;
  /** The OpenAPI document. */
  document(): object;
}

/** A request that is authorised and valid for its schemas. */
export interface EndpointRequest<E extends Endpoint = Endpoint> {
  params: ParamsOf<E>;
  query: QueryOf<E>;
  body: BodyOf<E>;
  principal: Principal;
  /** Aborts when the client leaves. */
  signal?: AbortSignal;
  /** Payloads as the principal may see them. */
  view: PayloadView;
}

export interface EndpointResponse<E extends Endpoint = Endpoint> {
  /** The first of the endpoint's `responses` when absent. */
  status?: number;
  body: ResultOf<E>;
}

/** Rejects with SignalboxError. */
type Handler<E extends Endpoint, Deps> = (request: EndpointRequest<E>, deps: Deps) => Promise<EndpointResponse<E>>;

/** One handler per endpoint of the table. */
export type HandlersOf<Table extends Endpoints, Deps = EndpointDeps> = {
  readonly [Id in keyof Table]: Handler<Table[Id], Deps>;
};

/** A request that is not checked against the schemas yet. */
export interface RawEndpointRequest {
  params: Readonly<Record<string, string>>;
  query: Readonly<Record<string, unknown>>;
  body: unknown;
  principal: Principal;
  signal?: AbortSignal;
}

export interface Responder {
  endpoint: Endpoint;
  respond(request: RawEndpointRequest): Promise<{ status: number; body: unknown }>;
}

/** Rejects with SB0907 and all diagnostics when the request is invalid, otherwise as the handler does. */
export function createResponders<Id extends string, Deps>(
  endpoints: Readonly<Record<Id, Endpoint>>,
  // Each handler has its type where it is written, by HandlersOf: checking all of them again costs the compiler seconds.
  handlers: Readonly<Record<Id, unknown>>,
  deps: Deps,
): Record<Id, Responder> {
  const responders = Object.entries<Endpoint>(endpoints).map(([id, endpoint]) => {
    const handler = handlers[id as Id] as Handler<Endpoint, Deps>;
    const [usualStatus = 200] = Object.keys(endpoint.responses).map(Number);
    let check: ((request: RawEndpointRequest) => Diagnostic[]) | undefined;
    const respond: Responder["respond"] = async (request) => {
      // Compiled at the first request, so that a start does not wait for all schemas.
      check ??= requestChecker(endpoint);
      const problems = check(request);
      if (problems.length > 0) {
        throw new SignalboxError("SB0907", problems.map(({ message }) => message).join("; "), { problems });
      }
      const view = payloadView(allows(request.principal.scopes, "payload:read"));
      const { status = usualStatus, body } = await handler({ ...request, view } as EndpointRequest, deps);
      return { status, body };
    };
    return [id, { endpoint, respond }];
  });
  return Object.fromEntries(responders) as Record<Id, Responder>;
}

function requestChecker({ path, query = NoQuery, body }: Endpoint): (request: RawEndpointRequest) => Diagnostic[] {
  const nameSchema = Type.String({ minLength: 1, pattern: NO_NUL });
  const params = Type.Object(Object.fromEntries(namesIn(path).map((name) => [name, nameSchema])));
  const parts: [keyof RawEndpointRequest, TSchema][] = [
    ["params", params],
    ["query", query],
  ];
  if (body) parts.push(["body", body]);
  const checks = parts.map(([part, schema]) => ({ part, check: validatorFor(schema) }));
  return (request) =>
    checks.flatMap(({ part, check }) =>
      check(request[part]).map((one) => ({ ...one, path: [part, ...(one.path ?? [])] })),
    );
}

export function pageOf(
  { limit = PAGE_LIMIT, cursor }: { limit?: number; cursor?: string },
  signal?: AbortSignal,
): Page {
  return { limit, ...(cursor === undefined ? {} : { cursor }), ...(signal ? { signal } : {}) };
}
