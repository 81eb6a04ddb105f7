/** Who may ask what of the admin listener. */
import type { NextFunction, Request, Response } from "express";
import { TOKEN_SCOPES, type TokenScope } from "../api/endpoint.ts";
import { SignalboxError } from "../errors.ts";
import type { Operations } from "../operations/operations.ts";

/** Who calls; in `response.locals` once the request is let in. */
export interface Principal {
  /** A token's name, or `local`. */
  who: string;
  scopes: readonly string[];
}

/** Whoever is on this machine. */
export const LOCAL_PRINCIPAL: Principal = { who: "local", scopes: ["admin"] };

/** admin implies every scope; payload:read and operate imply read. */
export function allows(scopes: readonly string[], wanted: TokenScope): boolean {
  if (scopes.includes("admin") || scopes.includes(wanted)) return true;
  return wanted === "read" && TOKEN_SCOPES.some((scope) => scopes.includes(scope));
}

/** Whether a listener on this host, or a request to it, stays on this machine. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  return bare === "localhost" || bare === "::1" || /^127(\.\d{1,3}){3}$/.test(bare);
}

/** SB0908 when others could reach the listener and no token exists that they would have to show. */
export function assertAdminExposure(host: string, tokens: number): SignalboxError | undefined {
  if (isLoopback(host) || tokens > 0) return undefined;
  const ways = "bind it to 127.0.0.1, reach it through a tunnel, or create a token first";
  return new SignalboxError("SB0908", `The admin listener would be open on "${host}" without authentication: ${ways}`);
}

/**
 * A page of another site can make a browser on this machine call us. Under its own name for 127.0.0.1 (DNS rebinding) it
 * could read the answers: refused by Host. Under our name it could still write: refused by Origin.
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
 * Throws SB0903 without a valid token, SB0904 when it lacks the scope. On loopback nobody has to show one, but one that is shown counts: who
 * tries a token there wants to know what it may do, and the audit log names it. No scope: everybody.
 */
export function letIn(
  { auth, operations }: { auth: { mode: "loopback" | "token" }; operations: Operations },
  scope: TokenScope | undefined,
) {
  return async (request: Request, response: Response, next: NextFunction) => {
    Object.assign(response.locals, await principal());
    next();

    async function principal(): Promise<Principal> {
      if (auth.mode === "loopback" && request.headers.authorization === undefined) return LOCAL_PRINCIPAL;
      if (scope === undefined) return { who: "anybody", scopes: [] };
      return await bearer(operations, scope, request, response);
    }
  };
}

async function bearer(
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
