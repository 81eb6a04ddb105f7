/** The running policy: loaded whole or not at all, swapped in one assignment, its texts and definitions kept in the store. */
import { Type } from "typebox";
import { actionCatalogue, type Config } from "../config/config.ts";
import type { CompiledMachine } from "../core/machine/file/compile.ts";
import { compileMachine } from "../core/machine/file/compile.ts";
import type { ActionForm } from "../core/render.ts";
import { type Diagnostic, newDiagnostic, SignalboxError } from "../errors.ts";
import { evictOldest, type Json, type JsonObject } from "../model.ts";
import type { PolicyReport } from "../operations/operations.ts";
import type { Clock } from "../ports/clock.ts";
import type { Observer } from "../ports/observe.ts";
import type { Provider } from "../ports/provider.ts";
import type { Store } from "../ports/store.ts";
import { compileBeside } from "./beside.ts";
import { compilePolicy, type Policy, type PolicyFiles, readPolicyFiles } from "./policy.ts";

/** Earlier policies that stay compiled: events of the same time are often explained one after another. */
const EARLIER_MAX = 3;
/** Compiled definitions of living instances that are no longer in the files; another one is compiled again when it is needed. */
const DEFINITIONS_MAX = 100;

export interface RunningPolicy {
  current(): Policy;
  report(): PolicyReport;
  /** A bad policy never replaces a good one: the report then says why. */
  reload(): Promise<PolicyReport>;
  /** The policy of that revision, compiled from its stored files; undefined = they were purged or no longer load. */
  at(revision: string): Promise<Policy | undefined>;
  compile(machine: string, definition: Json): CompiledMachine | undefined;
  definition(machine: string, hash: string): Promise<CompiledMachine | undefined>;
}

export interface RunningPolicyDeps {
  config: Config;
  providers: ReadonlyMap<string, Provider>;
  store: Store;
  clock: Clock;
  observe: Observer;
}

/** The policy of the project's files, stored when it loads; else every diagnostic. */
async function loadPolicy(
  { config, store, clock }: RunningPolicyDeps,
  actions: Actions,
  compile: typeof compileBeside | typeof compilePolicy,
): Promise<{ policy?: Policy; diagnostics: Diagnostic[] }> {
  try {
    const files = await readPolicyFiles(config.dir);
    const compiled = await compile(files, { actions, vars: config.vars });
    if (compiled.policy) await keep(store, compiled.policy, clock.now());
    return compiled;
  } catch (error) {
    if (!(error instanceof SignalboxError)) throw error;
    const { code, message, problems } = error;
    return { diagnostics: problems.length > 0 ? [...problems] : [newDiagnostic(code, message)] };
  }
}

/** Rejects with SB0401 and all problems when the first policy does not load. */
export async function holdPolicy(deps: RunningPolicyDeps): Promise<RunningPolicy> {
  const { config, store, clock, observe } = deps;
  const actions = actionCatalogue(config.connections, deps.providers);
  // Nobody waits for anything yet at the start, so that a thread would only cost.
  const first = await loadPolicy(deps, actions, compilePolicy);
  if (!first.policy) {
    const [problem] = first.diagnostics.filter(({ severity }) => severity === "error");
    const place = problem?.file === undefined ? "" : ` (${problem.file}:${problem.line}:${problem.col})`;
    const message = `The policy does not load: ${problem?.message}${place}`;
    throw new SignalboxError("SB0401", message, { problems: first.diagnostics });
  }
  let policy = first.policy;
  let report = reportOf(policy, clock.now(), first.diagnostics);
  const reload = async (): Promise<PolicyReport> => {
    const next = await loadPolicy(deps, actions, compileBeside);
    observe({
      kind: "policy",
      ok: next.policy !== undefined,
      revision: next.policy?.revision ?? policy.revision,
      problems: next.diagnostics.length,
    });
    if (next.policy) {
      policy = next.policy;
      report = reportOf(policy, clock.now(), next.diagnostics);
    } else report = { ...report, current: false, problems: next.diagnostics };
    return report;
  };
  const earlier = new Map<string, Policy>();
  const compile = (machine: string, definition: Json) => compileStored(machine, definition, policy, actions);
  const storedDefinition = createDefinitions(store, compile);
  let lastReload: Promise<unknown> = Promise.resolve();

  return {
    current: () => policy,
    report: () => report,
    reload() {
      // One after the other: files that were read earlier must not replace files that were read later.
      const next = lastReload.then(reload);
      lastReload = next.catch(() => undefined);
      return next;
    },
    async at(revision) {
      if (revision === policy.revision) return policy;
      const files = earlier.has(revision) ? undefined : await store.policy(revision);
      const earlierPolicy = files
        ? compileEarlier(revision, files, { actions, vars: config.vars })
        : earlier.get(revision);
      if (!earlierPolicy) return undefined;
      earlier.delete(revision);
      earlier.set(revision, earlierPolicy);
      evictOldest(earlier, EARLIER_MAX);
      return earlierPolicy;
    },
    compile,
    async definition(machine, hash) {
      const current = policy.machines.get(machine);
      return current?.hash === hash ? current : await storedDefinition(machine, hash);
    },
  };
}

type Actions = ReadonlyMap<string, ActionForm>;

/** Reads definitions of the store and compiles them; the most recently used stay compiled. undefined = not stored, or it does not compile. */
export function createDefinitions(
  store: Pick<Store, "definition">,
  compile: RunningPolicy["compile"],
): RunningPolicy["definition"] {
  const byHash = new Map<string, CompiledMachine>();
  return async (machine, hash) => {
    const stored = byHash.has(hash) ? undefined : await store.definition(hash);
    const compiled = stored === undefined ? byHash.get(hash) : compile(machine, stored);
    if (!compiled) return undefined;
    byHash.delete(hash);
    byHash.set(hash, compiled);
    evictOldest(byHash, DEFINITIONS_MAX);
    return compiled;
  };
}

/**
 * A stored definition has its templates inside. Its actions are those of today, which say how text is escaped; one that is gone
 * does not keep the instance from moving: its delivery is then rejected and says so.
 */
export function compileStored(
  id: string,
  definition: Json,
  { vars }: Pick<Policy, "vars">,
  actions: Actions,
): CompiledMachine | undefined {
  const knownActions = withGone(actions, actionsNamed(definition));
  return compileMachine(definition, { id, templates: new Map(), actions: knownActions, vars }).machine;
}

/** For looking back, never for deciding. Its revision is the one that it had with the connections of its time. */
function compileEarlier(revision: string, files: PolicyFiles, env: { actions: Actions; vars: JsonObject }) {
  const names = Object.values(files).flatMap((text) => text.match(/[\w-]+\.[\w-]+/g) ?? []);
  const { policy } = compilePolicy(files, { ...env, actions: withGone(env.actions, names) });
  return policy && { ...policy, revision };
}

const GONE = { params: Type.Object({}) };

function withGone(actions: Actions, names: readonly string[]): Actions {
  const gone = names.filter((name) => !actions.has(name)).map((name) => [name, GONE] as const);
  return new Map<string, ActionForm>([...actions, ...gone]);
}

/** Everything in a definition that has the form `connection.action`. */
function actionsNamed(definition: Json): string[] {
  if (typeof definition === "string") return /^[\w-]+\.[\w-]+$/.test(definition) ? [definition] : [];
  if (typeof definition !== "object" || definition === null) return [];
  return Object.entries(definition).flatMap(([key, value]) => [...actionsNamed(key), ...actionsNamed(value)]);
}

async function keep(store: Store, policy: Policy, nowMs: number): Promise<void> {
  const definitions = [...policy.machines.values()].map(({ id, hash, definition }) => ({
    hash,
    machine: id,
    definition,
  }));
  await store.saveDefinitions(definitions);
  await store.savePolicy(policy.revision, policy.files, nowMs);
}

function reportOf(policy: Policy, loadedAtMs: number, problems: Diagnostic[]): PolicyReport {
  return {
    revision: policy.revision,
    loadedAtMs,
    rules: policy.rules.rules.length,
    machines: [...policy.machines.keys()],
    current: true,
    problems,
  };
}
