/** Webhooks of a repository at GitHub. https://docs.github.com/en/rest/repos/webhooks */
import type { Json, Outcome } from "../../model.ts";
import type { ConnectionContext, Registration } from "../../ports/provider.ts";
import { at, textAt } from "../kit/body.ts";
import { type GitHubConnection, listOf, outcomeOfGithub, send } from "./rest.ts";

/** A repository may have 20 webhooks for an event; one page holds them all. */
const PAGE_SIZE = 100;
const REPO = /^(?!\.)[A-Za-z0-9_.-]+\/(?!\.{1,2}$)[A-Za-z0-9_.-]+$/;

type Context = ConnectionContext<GitHubConnection>;
type HookLookup = { ok: true; id: number | undefined } | { ok: false; outcome: Outcome };

/** Changing and removing may be repeated; installing too, because it reads first. */
export const registration: Registration<GitHubConnection> = {
  async status({ scope, url }, context) {
    const hook = await find(scope, url, context);
    return hook.ok ? { kind: "done", result: { installed: hook.id !== undefined } } : hook.outcome;
  },
  async install({ scope, url, secret, events }, context) {
    const hook = await find(scope, url, context);
    if (!hook.ok) return hook.outcome;
    const settings = { active: true, events, config: { url, content_type: "json", secret, insecure_ssl: "0" } };
    const answer =
      hook.id === undefined
        ? await send(context, "POST", `/repos/${scope}/hooks`, { name: "web", ...settings })
        : await send(context, "PATCH", `/repos/${scope}/hooks/${hook.id}`, settings);
    return withoutResult(outcomeOfGithub(answer, context, { repeatable: true }));
  },
  async remove({ scope, url }, context) {
    const hook = await find(scope, url, context);
    if (!hook.ok) return hook.outcome;
    if (hook.id === undefined) return { kind: "done", note: "There is no such webhook" };
    const answer = await send(context, "DELETE", `/repos/${scope}/hooks/${hook.id}`);
    return withoutResult(outcomeOfGithub(answer, context, { repeatable: true }));
  },
};

async function find(scope: string, url: string, context: Context): Promise<HookLookup> {
  if (!REPO.test(scope)) {
    const message = `"${scope}" is no repository; write owner/name`;
    return { ok: false, outcome: { kind: "rejected", error: { message } } };
  }
  const answer = await send(context, "GET", `/repos/${scope}/hooks?per_page=${PAGE_SIZE}`);
  const outcome = outcomeOfGithub(answer, context, { repeatable: true });
  if (outcome.kind !== "done") return { ok: false, outcome };
  const hooks = listOf(answer);
  if (!hooks) {
    return { ok: false, outcome: { kind: "retry", error: { message: "github: the list of webhooks cannot be read" } } };
  }
  const hook = hooks.find((one) => textAt(one, "config", "url") === url);
  return { ok: true, id: idOf(hook) };
}

function idOf(hook: Json | undefined): number | undefined {
  const id = hook === undefined ? undefined : at(hook, "id");
  return typeof id === "number" ? id : undefined;
}

/** Leaves out GitHub's description of the webhook. */
function withoutResult(outcome: Outcome): Outcome {
  return outcome.kind === "done" ? { kind: "done" } : outcome;
}
