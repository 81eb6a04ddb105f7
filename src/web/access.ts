/** Authorisation for the admin listener. */
import type { NextFunction, Request, Response } from "express";
import { TOKEN_SCOPES, type TokenScope } from "../api/endpoint.ts";
import { SignalboxError } from "../errors.ts";
import type { Operations } from "../operations/operations.ts";

/** Who sent the request; in `response.locals` once it is authorised. */
export interface Principal {
  /** A token's name, or `local`. */
  who: string;
  scopes: readonly string[];
}

/** The principal of requests from this machine without a token. */
export const LOCAL_PRINCIPAL: Principal = { who: "local", scopes: ["admin"] };

/** admin implies every scope; payload:read and operate imply read. */
export function allows(scopes: readonly string[], required: TokenScope): boolean {
  if (scopes.includes("admin") || scopes.includes(required)) return true;
  return required === "read" && TOKEN_SCOPES.some((scope) => scopes.includes(scope));
}

/** Whether a listener on this host, or a request to it, stays on this machine. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  return bare === "localhost" || bare === "::1" || /^127(\.\d{1,3}){3}$/.test(bare);
}

/** SB0908 when the listener is reachable from other machines and no token exists. */
export function assertAdminExposure(host: string, tokens: number): SignalboxError | undefined {
  if (isLoopback(host) || tokens > 0) return undefined;
  const ways = "bind it to 127.0.0.1, reach it through a tunnel, or create a token first";
  return new SignalboxError("SB0908", `The admin listener would be open on "${host}" without authentication: ${ways}`);
}

/**
 * A page of another site can make a browser on this machine send requests. With a host name of its own for 127.0.0.1 (DNS rebinding) it
 * could read the responses: refused by Host. With the right host name it could still write: refused by Origin.
 */
export function guardLoopback(request: Request, _response: Response, next: NextFunction): void {
  const host = request.headers.host ?? "";
  const name = /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/.exec(host)?.[1] ?? "";
  if (!isLoopback(name)) throw new SignalboxError("SB0914", `The host name "${host}" is not this machine's own`);
  const { origin } = request.headers;
  const isWrite = request.method !== "GET" && request.method !== "HEAD";
  if (isWrite && origin !== undefined && origin !== `http://${host}`) {
    throw new SignalboxError("SB0914", `Pages of "${origin}" may not write here`);
  }
  next();
}

/**
 * Throws SB0903 without a valid token, SB0904 when it lacks the scope. On loopback no token is required, but one that is sent is checked, so
 * that its rights can be tried and the audit log names it. Without a scope every request is authorised.
 */
export function authorize(
  { auth, operations }: { auth: { mode: "loopback" | "token" }; operations: Operations },
  scope: TokenScope | undefined,
) {
  return async (request: Request, response: Response, next: NextFunction) => {
    Object.assign(response.locals, await principal());
    next();

    async function principal(): Promise<Principal> {
      if (auth.mode === "loopback" && request.headers.authorization === undefined) return LOCAL_PRINCIPAL;
      if (scope === undefined) return { who: "anonymous", scopes: [] };
      return await principalOfToken(operations, scope, request, response);
    }
  };
}

async function principalOfToken(
  operations: Operations,
  scope: TokenScope,
  request: Request,
  response: Response,
): Promise<Principal> {
  const token = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? "")?.[1];
  if (token === undefined) {
    response.set("www-authenticate", 'Bearer realm="signalbox"');
    throw new SignalboxError("SB0903", "Send Authorization: Bearer sbx_…");
  }
  const row = await operations.authenticate(token);
  if (!row) {
    response.set("www-authenticate", 'Bearer realm="signalbox", error="invalid_token"');
    throw new SignalboxError("SB0903", "The token is not known or has expired");
  }
  if (!allows(row.scopes, scope)) {
    response.locals.who = row.name;
    response.set("www-authenticate", `Bearer realm="signalbox", error="insufficient_scope", scope="${scope}"`);
    throw new SignalboxError("SB0904", `Token "${row.name}" lacks the scope "${scope}"`);
  }
  return { who: row.name, scopes: row.scopes };
}
