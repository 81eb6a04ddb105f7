/** Tells what happens to one instance, signal by signal. */
import { type CompiledMachine, compileMachine, type MachineEnv } from "../../src/core/machine/file/compile.ts";
import { type Signal, type StepResult, step } from "../../src/core/machine/run/step.ts";
import type { Instance, JsonObject } from "../../src/model.ts";

export const T0 = Date.UTC(2026, 0, 5, 9);
export const MINUTE = 60_000;

export function env(more: Partial<MachineEnv> = {}): MachineEnv {
  return { id: "m", templates: new Map(), actions: undefined, vars: {}, ...more };
}

/** The machine, or an error with every problem. `id` may be left out. */
export function machineOf(definition: Record<string, unknown>, more: Partial<MachineEnv> = {}): CompiledMachine {
  const id = typeof definition.id === "string" ? definition.id : "m";
  const { machine, diagnostics: problems } = compileMachine({ id, ...definition }, env({ id, ...more }));
  if (!machine)
    throw new Error(problems.map(({ code, message, path }) => `${code} ${message} @${path?.join("/")}`).join("\n"));
  return machine;
}

export interface MachineRun {
  row: Instance | undefined;
  nowMs: number;
  readonly machine: CompiledMachine;
  send(name: string, data?: JsonObject): StepResult;
  /** The timer as it is armed now, or as it was armed by that step. */
  fire(id: string, armedBy?: number): StepResult;
  done(call: string, output?: JsonObject, startedBy?: number): StepResult;
  fail(call: string, error?: JsonObject, startedBy?: number): StepResult;
  take(signal: Signal): StepResult;
}

/** Every row passes through JSON, as in a store; frozen, so that a step that writes into its input fails. */
export function startRun(machine: CompiledMachine): MachineRun {
  const run: MachineRun = {
    row: undefined,
    nowMs: T0,
    machine,
    send: (name, data = {}) => run.take({ kind: "signal", name, event: { type: name, ...data } }),
    fire(id, armedBy) {
      const step = armedBy ?? run.row?.timers[id] ?? -1;
      return run.take({ kind: "timer", name: `timer.${id}`, event: { type: "timer.due" }, timer: id, step });
    },
    done(call, output = {}, startedBy) {
      const end = { call, step: startedBy ?? run.row?.calls[call] ?? -1, ok: true };
      return run.take({ kind: "call", name: `done.${call}`, event: { type: "delivery.done", output }, ...end });
    },
    fail(call, error = { message: "refused" }, startedBy) {
      const end = { call, step: startedBy ?? run.row?.calls[call] ?? -1, ok: false };
      return run.take({ kind: "call", name: `error.${call}`, event: { type: "delivery.failed", error }, ...end });
    },
    take(signal) {
      const result = step(machine, "k", run.row && frozen(run.row), frozen(signal), run.nowMs);
      if (result.instance) run.row = JSON.parse(JSON.stringify(result.instance)) as Instance;
      return result;
    },
  };
  return run;
}

export function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inside of Object.values(value)) frozen(inside);
  }
  return value;
}

/** A machine around one state, which has a neighbour `b` and takes a signal. */
export const around = (state: object, more: object = {}) => ({
  id: "m",
  initial: "a",
  startOn: ["START"],
  states: { a: state, b: {} },
  ...more,
});
