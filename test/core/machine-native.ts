/** A drawn chart written for xstate by hand, not by our lowering, and its own actor, kept alive. */
import {
  type ActorLogic,
  type AnyActor,
  type AnyActorRef,
  type AnyStateMachine,
  assign,
  createActor,
  createMachine,
  emit,
  log,
  raise,
  SimulatedClock,
  type Snapshot,
} from "xstate";
import { ACTIONS, GUARDS, MACHINE_OUTPUT, OUTPUT, type Raw } from "./machine-chart.ts";

/** A log line, an emitted event, or an action with its parameters. */
export type Done = Record<string, unknown>;

/** What is observed of the actor. */
export interface Seen {
  state: unknown;
  context: unknown;
  status: string;
  output: unknown;
  /** Calls that were started and have not ended. */
  calls: string[];
}

export interface Native {
  start(): void;
  send(name: string, n: number): void;
  /** Lets this many milliseconds pass. */
  wait(ms: number): void;
  /** Ends a call, well or badly. */
  answer(call: string, ok: boolean, n: number): void;
  seen(): Seen;
  /** What the last signal made it do, in order. */
  done(): readonly Done[];
  /** Of the last signal; those of the start only count when they did something. */
  microsteps(): number;
  readonly errors: readonly unknown[];
}

/** Kept alive from the first signal, which carries `n`. `inOrder` keeps its active states in document order, as ours are. */
export function nativeOf(chart: Raw, n: number, options: { inOrder?: boolean } = {}): Native {
  const carried: Carried = { n, output: undefined };
  const errors: unknown[] = [];
  const clock = new SimulatedClock();
  let done: Done[] = [];
  let microsteps = 0;
  let isStarting = true;
  const actor = createActor(machineOf(chart, carried), {
    clock,
    logger: () => {},
    inspect(inspected) {
      if (inspected.type === "@xstate.action") done.push(...doneOf(inspected.action));
      if (inspected.type !== "@xstate.microstep") return;
      const { _nodes } = inspected.snapshot as unknown as { _nodes: { order: number }[] };
      if (options.inOrder) _nodes.sort((a, b) => a.order - b.order);
      if (!isStarting || inspected._transitions.length > 0) microsteps += 1;
    },
  });
  actor.subscribe({ error: (error) => errors.push(error) });
  const carries = (number: number, output?: { n: number }) => {
    done = [];
    microsteps = 0;
    Object.assign(carried, { n: number, output });
  };
  return {
    start() {
      actor.start();
      isStarting = false;
      if (actor.getSnapshot().status === "active") actor.send({ type: "START" });
    },
    send(type, number) {
      carries(number);
      actor.send({ type });
    },
    wait(ms) {
      carries(0);
      clock.increment(ms);
    },
    answer(call, ok, number) {
      carries(number, ok ? { n: number } : undefined);
      childrenOf(actor)[call]?.send({ type: ok ? "finish" : "fail", n: number });
    },
    seen() {
      const { value: state, context, status, output } = actor.getSnapshot();
      const waiting = Object.entries(childrenOf(actor)).filter(([, child]) => child.getSnapshot().status === "active");
      return { state, context, status, output, calls: status === "active" ? waiting.map(([id]) => id).toSorted() : [] };
    },
    done: () => done,
    microsteps: () => microsteps,
    errors,
  };
}

function childrenOf(actor: AnyActor): Record<string, AnyActorRef> {
  return (actor.getSnapshot() as { children: Record<string, AnyActorRef> }).children;
}

/** In the words of our effects. */
function doneOf({ type, params }: { type: string; params: unknown }): Done[] {
  if (type === "x.act") return [{ action: type, params }];
  if (type === "xstate.log") return [{ log: (params as { value: string }).value }];
  return type === "xstate.emit" ? [(params as { event: Done }).event] : [];
}

// ---------------------------------------------------------------- the machine

/** What the signal carries: xstate's raised events carry nothing, ours keep it. */
interface Carried {
  n: number;
  output: { n: number } | undefined;
}

interface Given {
  context: { n: number; before: number; got: number };
  event: { type: string; output?: { n: number } };
}

function machineOf(chart: Raw, carried: Carried): AnyStateMachine {
  const { startOn: _, ...rest } = chart;
  const config = { ...convert(rest, carried), options: { maxIterations: 250 } };
  return createMachine(config as never) as unknown as AnyStateMachine;
}

function convert(raw: Raw, carried: Carried): Raw {
  const converted: Raw = { ...raw };
  const moves = (one: unknown, key: string) => convertTransitions(one, carried, key);
  if (raw.states) converted.states = mapped(raw.states as Raw, (state) => convert(state as Raw, carried));
  if (raw.on) converted.on = mapped(raw.on as Raw, moves);
  if (raw.after) converted.after = mapped(inMilliseconds(raw.after as Raw), moves);
  for (const key of ["always", "onDone"]) if (raw[key]) converted[key] = moves(raw[key], key);
  for (const key of ["entry", "exit"]) if (raw[key]) converted[key] = convertActions(raw[key] as Raw[], carried);
  if (raw.output) converted.output = convertOutput(raw.output, carried);
  if (raw.invoke) converted.invoke = convertInvoke(raw.invoke as Raw, carried);
  return converted;
}

function mapped(record: Raw, change: (value: unknown, key: string) => unknown): Raw {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));
}

function inMilliseconds(after: Raw): Raw {
  return Object.fromEntries(Object.entries(after).map(([seconds, one]) => [Number.parseInt(seconds, 10) * 1000, one]));
}

function convertTransitions(raw: unknown, carried: Carried, key: string): unknown {
  const each = (one: Raw) => convertTransition(one, carried, key);
  return Array.isArray(raw) ? (raw as Raw[]).map(each) : each(raw as Raw);
}

function convertTransition(raw: Raw, carried: Carried, key: string): Raw {
  const asked = GUARDS[String(raw.guard)];
  const { guard: _, ...rest } = raw;
  return {
    ...rest,
    actions: convertActions(raw.actions as Raw[], carried),
    guard({ context, event }: Given) {
      // xstate's star takes its own events too, ours only signals.
      if (key === "*" && event.type.startsWith("xstate.")) return false;
      return asked ? asked(context, carried) : true;
    },
  };
}

function convertActions(actions: Raw[], carried: Carried): unknown[] {
  return actions.map((action) => {
    if (action.log) return log(String(action.log));
    if (action.raise) return raise({ type: String(action.raise) });
    switch (action) {
      case ACTIONS.act:
        return { type: "x.act", params: ({ context: { n, got } }: Given) => ({ n, got }) };
      case ACTIONS.emit:
        return emit(({ context }: Given) => ({ type: "x.told", data: { n: context.n } }));
      case ACTIONS.take:
        return assign({ got: ({ context, event }: Given) => (event.output ?? carried.output)?.n ?? context.got });
      case ACTIONS.increase:
        return assign({ n: ({ context }: Given) => (context.n + 1) % 7, before: ({ context }: Given) => context.n });
      default:
        throw new Error(`nobody has written ${JSON.stringify(action)} for xstate`);
    }
  });
}

function convertOutput(raw: unknown, carried: Carried): (given: Given) => unknown {
  if (raw === OUTPUT) return ({ context }) => ({ n: context.n });
  if (raw !== MACHINE_OUTPUT) throw new Error(`nobody has written ${JSON.stringify(raw)} for xstate`);
  return ({ context, event }) => ({ n: context.n, last: (event.output ?? carried.output)?.n ?? -1 });
}

// ---------------------------------------------------------------- calls

/** Waits until it is told how it ends. */
const awaited: ActorLogic<Snapshot<{ n: number }>, { type: string; n: number }> = {
  getInitialSnapshot: () => ({ status: "active", output: undefined, error: undefined }),
  getPersistedSnapshot: (snapshot) => snapshot,
  transition(snapshot, { type, n }) {
    if (type === "finish") return { status: "done", output: { n }, error: undefined };
    return type === "fail" ? { status: "error", output: undefined, error: { message: "no" } } : snapshot;
  },
};

function convertInvoke({ id, onDone, onError }: Raw, carried: Carried): Raw {
  return {
    id,
    src: awaited,
    ...(onDone ? { onDone: convertTransitions(onDone, carried, "onDone") } : {}),
    ...(onError ? { onError: convertTransitions(onError, carried, "onError") } : {}),
  };
}
