/** Instances of earlier definitions: which can move to a new one, which cannot and why; and ordering those to move that can. */
import type { CompiledMachine } from "../core/machine/file/compile.ts";
import { move } from "../core/machine/migration.ts";
import { moveEvent } from "../core/own-events.ts";
import { SignalboxError } from "../errors.ts";
import type { AuditRow, Instance, Json, JsonObject, NewEvent, Timer } from "../model.ts";
import type { Clock } from "../ports/clock.ts";
import type { Store } from "../ports/store.ts";
import type { Actor, Moves } from "./operations.ts";

/** How many instances are looked at in one call. */
const PAGE = 1_000;
/** A report of all machines looks at no more of each; the command that moves looks at all. */
const REPORT_PAGES = 10;
const KEYS_SHOWN = 5;

/** What looking takes. */
interface LookDeps {
  store: Store;
  clock: Clock;
  definition(machine: string, hash: string): Promise<CompiledMachine | undefined>;
}

export interface MoveDeps extends LookDeps {
  requestId(): string;
  /** As the running policy has it. */
  machine(id: string): CompiledMachine | undefined;
  compile(machine: string, definition: Json): CompiledMachine | undefined;
  audit(actor: Actor, row: Omit<AuditRow, "atMs" | "who">): Promise<void>;
  wake(): void;
}

export interface MoveOperations {
  movePlan(machine: string, options: { definition?: JsonObject; cursor?: string }): Promise<Moves>;
  move(machine: string, options: { cursor?: string }, actor: Actor): Promise<Moves>;
}

export function moveOperations(deps: MoveDeps): MoveOperations {
  return {
    async movePlan(machine, { definition, cursor }) {
      const to = definition === undefined ? deps.machine(machine) : deps.compile(machine, definition);
      if (!to && definition !== undefined)
        throw new SignalboxError("SB0907", `The definition of "${machine}" does not compile`);
      if (!to) throw new SignalboxError("SB0905", `There is no machine "${machine}"`);
      return (await page(deps, to, cursor)).moves;
    },
    async move(machine, { cursor }, actor) {
      const to = deps.machine(machine);
      if (!to) throw new SignalboxError("SB0905", `There is no machine "${machine}"`);
      const { moves, going } = await page(deps, to, cursor);
      const nowMs = deps.clock.now();
      const requestId = deps.requestId();
      const events: NewEvent[] = [];
      for (const { instance, timers } of going) {
        events.push(moveEvent(instance, { definition: to.hash, timers }, { who: actor.who, nowMs, requestId }));
      }
      if (events.length > 0) {
        await deps.store.append(events);
        await deps.audit(actor, {
          what: "move",
          target: machine,
          detail: { definition: to.hash, instances: events.length },
        });
        deps.wake();
      }
      return moves;
    },
  };
}

/** Of the machines that have instances of earlier definitions; with a `cursor` where there are more than were looked at. */
export async function movesOf(deps: LookDeps, machines: Iterable<CompiledMachine>): Promise<Moves[]> {
  const all: Moves[] = [];
  for (const to of machines) {
    let sum: Moves | undefined;
    for (let looked = 0; looked < REPORT_PAGES && (sum === undefined || sum.cursor !== undefined); looked++)
      sum = added(sum, (await page(deps, to, sum?.cursor)).moves);
    if (sum !== undefined && sum.moving + sum.staying.length > 0) all.push(sum);
  }
  return all;
}

/** The findings of two pages as one; it goes on where the second ended. */
export function added(sum: Moves | undefined, { cursor, ...next }: Moves): Moves {
  const more = cursor === undefined ? {} : { cursor };
  if (sum === undefined) return { ...next, ...more };
  const staying = new Map(sum.staying.map((group) => [group.reason, { ...group }]));
  for (const group of next.staying) {
    const known = staying.get(group.reason);
    if (known === undefined) staying.set(group.reason, group);
    else {
      known.count += group.count;
      known.keys = [...known.keys, ...group.keys].slice(0, KEYS_SHOWN);
    }
  }
  const notes = [...new Set([...sum.notes, ...next.notes])];
  return { ...next, moving: sum.moving + next.moving, staying: [...staying.values()], notes, ...more };
}

async function page(
  deps: LookDeps,
  to: CompiledMachine,
  cursor: string | undefined,
): Promise<{ moves: Moves; going: Going[] }> {
  const filter = { machine: to.id, status: "active" as const };
  const found = await deps.store.instanceList(filter, { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
  const going: Going[] = [];
  let moves: Moves = { machine: to.id, definition: to.hash, moving: 0, staying: [], notes: [] };
  for (const instance of found.items) {
    if (instance.definition === to.hash) continue;
    const timers = await timersOf(deps, instance);
    const answer = await tryMove(deps, { instance, timers }, to);
    if (answer.ok) going.push({ instance, timers });
    const { machine, definition } = moves;
    const notes = answer.ok ? answer.notes : [];
    const staying = answer.ok ? [] : answer.reasons.map((reason) => ({ reason, count: 1, keys: [instance.key] }));
    moves = added(moves, { machine, definition, moving: answer.ok ? 1 : 0, staying, notes });
  }
  return { moves: { ...moves, ...(found.cursor === undefined ? {} : { cursor: found.cursor }) }, going };
}

/** An instance with what it has armed. */
interface Going {
  instance: Instance;
  timers: readonly Timer[];
}

async function tryMove(deps: LookDeps, { instance, timers }: Going, to: CompiledMachine) {
  const from = await deps.definition(instance.machine, instance.definition);
  if (!from) return { ok: false as const, reasons: [`Its definition ${instance.definition} is not there any more`] };
  return move({ from, instance, timers }, to, {}, deps.clock.now());
}

async function timersOf({ store }: LookDeps, instance: Instance) {
  return Object.keys(instance.timers).length === 0 ? [] : await store.timersOf(instance);
}
