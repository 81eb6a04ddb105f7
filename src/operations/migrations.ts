/** Instances of earlier definitions: which can migrate to a new one, which cannot and why; and migrating those that can. */
import type { CompiledMachine } from "../core/machine/file/compile.ts";
import { migrateInstance } from "../core/machine/migration.ts";
import { migrationEvent } from "../core/own-events.ts";
import { SignalboxError } from "../errors.ts";
import type { Instance, Json, NewEvent, Timer } from "../model.ts";
import type { Clock } from "../ports/clock.ts";
import type { Store } from "../ports/store.ts";
import { type Audit, type MigrationReport, notFound, type Operations } from "./operations.ts";

/** Instances per call. */
const PAGE = 1_000;
/** Pages per machine in a report of all machines; the command that migrates reads all of them. */
const REPORT_PAGES = 10;
const KEYS_SHOWN = 5;

interface MigrationReadDeps {
  store: Store;
  clock: Clock;
  definition(machine: string, hash: string): Promise<CompiledMachine | undefined>;
}

export interface MigrationDeps extends MigrationReadDeps {
  requestId(): string;
  /** The machine of the running policy. */
  machine(id: string): CompiledMachine | undefined;
  compile(machine: string, definition: Json): CompiledMachine | undefined;
  audit: Audit;
  wake(): void;
}

export function migrationOperations(deps: MigrationDeps): Pick<Operations, "planMigration" | "migrate"> {
  return {
    async planMigration(machine, { definition, cursor }) {
      const to = definition === undefined ? deps.machine(machine) : deps.compile(machine, definition);
      if (!to && definition !== undefined)
        throw new SignalboxError("SB0907", `The definition of "${machine}" does not compile`);
      if (!to) throw notFound("machine", machine);
      return (await migrationPage(deps, to, cursor)).report;
    },
    async migrate(machine, { cursor }, actor) {
      const to = deps.machine(machine);
      if (!to) throw notFound("machine", machine);
      const { report, migrating } = await migrationPage(deps, to, cursor);
      const nowMs = deps.clock.now();
      const requestId = deps.requestId();
      const events: NewEvent[] = [];
      for (const { instance, timers } of migrating) {
        events.push(migrationEvent(instance, { definition: to.hash, timers }, { who: actor.who, nowMs, requestId }));
      }
      if (events.length > 0) {
        await deps.store.append(events);
        await deps.audit(actor, {
          what: "migrate",
          target: machine,
          detail: { definition: to.hash, instances: events.length },
        });
        deps.wake();
      }
      return report;
    },
  };
}

/** One report for each machine with instances of earlier definitions; with a `cursor` when not all of them were read. */
export async function migrationReports(
  deps: MigrationReadDeps,
  machines: Iterable<CompiledMachine>,
): Promise<MigrationReport[]> {
  const all: MigrationReport[] = [];
  for (const to of machines) {
    let sum: MigrationReport | undefined;
    for (let pages = 0; pages < REPORT_PAGES && (sum === undefined || sum.cursor !== undefined); pages++)
      sum = joinReports(sum, (await migrationPage(deps, to, sum?.cursor)).report);
    if (sum !== undefined && sum.migrating + sum.staying.length > 0) all.push(sum);
  }
  return all;
}

/** The reports of two pages as one; its cursor is that of the second. */
export function joinReports(sum: MigrationReport | undefined, { cursor, ...next }: MigrationReport): MigrationReport {
  const more = cursor === undefined ? {} : { cursor };
  if (sum === undefined) return { ...next, ...more };
  const staying = new Map(sum.staying.map((group) => [group.reason, { ...group }]));
  for (const group of next.staying) {
    const existing = staying.get(group.reason);
    if (existing === undefined) staying.set(group.reason, group);
    else {
      existing.count += group.count;
      existing.keys = [...existing.keys, ...group.keys].slice(0, KEYS_SHOWN);
    }
  }
  const notes = [...new Set([...sum.notes, ...next.notes])];
  return { ...next, migrating: sum.migrating + next.migrating, staying: [...staying.values()], notes, ...more };
}

async function migrationPage(
  deps: MigrationReadDeps,
  to: CompiledMachine,
  cursor: string | undefined,
): Promise<{ report: MigrationReport; migrating: MigrationCandidate[] }> {
  const filter = { machine: to.id, status: "active" as const };
  const instances = await deps.store.instanceList(filter, { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
  const migrating: MigrationCandidate[] = [];
  let report: MigrationReport = { machine: to.id, definition: to.hash, migrating: 0, staying: [], notes: [] };
  for (const instance of instances.items) {
    if (instance.definition === to.hash) continue;
    const timers = await timersOf(deps, instance);
    const result = await tryMigration(deps, { instance, timers }, to);
    if (result.ok) migrating.push({ instance, timers });
    const { machine, definition } = report;
    const notes = result.ok ? result.notes : [];
    const staying = result.ok ? [] : result.reasons.map((reason) => ({ reason, count: 1, keys: [instance.key] }));
    report = joinReports(report, { machine, definition, migrating: result.ok ? 1 : 0, staying, notes });
  }
  return { report: { ...report, ...(instances.cursor === undefined ? {} : { cursor: instances.cursor }) }, migrating };
}

/** An instance and its timers. */
interface MigrationCandidate {
  instance: Instance;
  timers: readonly Timer[];
}

async function tryMigration(deps: MigrationReadDeps, { instance, timers }: MigrationCandidate, to: CompiledMachine) {
  const from = await deps.definition(instance.machine, instance.definition);
  if (!from) return { ok: false as const, reasons: [`Its definition ${instance.definition} is no longer stored`] };
  return migrateInstance({ from, instance, timers }, to, {}, deps.clock.now());
}

async function timersOf({ store }: MigrationReadDeps, instance: Instance) {
  return Object.keys(instance.timers).length === 0 ? [] : await store.timersOf(instance);
}
