/** `token`: who may use the API. */

import { TOKEN_SCOPES, type TokenScope } from "../../api/endpoint.ts";
import type { Token } from "../../model.ts";
import { type Command, type CommandBody, durationOf, textsOf, usage } from "../command.ts";
import { withApi } from "../reach.ts";
import { type Screen, screenOf } from "../terminal/describe.ts";
import { EXIT } from "../terminal/failure.ts";
import { relative, table } from "../terminal/output.ts";
import { pageEnd } from "../terminal/paging.ts";

/** The files will do: a server reads its tokens from the store at every request. */
const VIA_FILES = { orFiles: true };
const NAME = /^[a-z0-9][a-z0-9._-]{0,99}$/;

const scopesNamed = (name: string) => TOKEN_SCOPES.filter((scope) => scope === name);

const create: Command = {
  name: "create <name>",
  summary: "a new token, shown once and never again",
  flags: [
    {
      flags: "--scope <scope>",
      about: "what its bearer may do; may be repeated, default read",
      choices: TOKEN_SCOPES,
      repeats: true,
    },
    { flags: "--expires <duration>", about: "until when, such as 90d; default never" },
  ],
  examples: [
    "signalbox token create grafana",
    "signalbox token create deploy-bot --scope operate --expires 90d",
    "signalbox token create ci --scope read --json",
  ],
  async run(context, [name = ""], options) {
    if (!NAME.test(name)) throw usage(`"${name}" is no name for a token; use a-z, 0-9, ".", "_" and "-"`);
    const requestedScopes = textsOf(options, "scope");
    const scopes: TokenScope[] =
      requestedScopes.length > 0 ? [...new Set(requestedScopes)].flatMap(scopesNamed) : ["read"];
    const lifeMs = durationOf(options, "expires");
    const request = { name, scopes, ...(lifeMs === undefined ? {} : { expiresAtMs: context.nowMs() + lifeMs }) };
    const { token } = await withApi(context, (api) => api.createToken({ body: request }), VIA_FILES);
    context.print("Token", { ...request, token }, () => `${token}\n`);
    context.note(`Token "${name}" may ${scopes.join(", ")}. It is not shown again; use it as SIGNALBOX_TOKEN`);
    return EXIT.done;
  },
};

const list: Command = {
  name: "list",
  summary: "names, scopes and times of the tokens, not the tokens themselves",
  examples: ["signalbox token list", "signalbox token list --json", "signalbox token list --utc"],
  async run(context) {
    const { items } = await withApi(context, (api) => api.listTokens(), VIA_FILES);
    context.print("TokenList", { items }, () => tokenTable(items, screenOf(context)));
    return EXIT.done;
  },
};

function tokenTable(items: readonly Omit<Token, "hash">[], { paint, nowMs }: Screen): string {
  const rows = items.map(({ name, scopes, createdAtMs, expiresAtMs, usedAtMs }) => [
    name,
    scopes.join(", "),
    relative(createdAtMs, nowMs),
    usedAtMs === undefined ? "never" : relative(usedAtMs, nowMs),
    expiresAtMs === undefined ? "never" : relative(expiresAtMs, nowMs),
  ]);
  const lines = rows.length > 0 ? table(["NAME", "SCOPES", "CREATED", "USED", "EXPIRES"], rows, paint) : "";
  return lines + pageEnd(rows.length, "token");
}

const revoke: Command = {
  name: "revoke <name>",
  summary: "end a token now",
  examples: ["signalbox token revoke grafana", "signalbox token revoke grafana --json", "signalbox token list"],
  async run(context, [name = ""]) {
    await withApi(context, (api) => api.revokeToken({ params: { name } }), VIA_FILES);
    context.print("Revoked", { name }, () => `token "${name}" is revoked\n`);
    return EXIT.done;
  },
};

export const token: CommandBody = {
  about: "server: asked when one runs, otherwise the files are used.",
  examples: ["signalbox token create grafana --scope read", "signalbox token list", "signalbox token revoke grafana"],
  verbs: [create, list, revoke],
};
