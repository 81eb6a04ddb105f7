/** Compiles a policy beside the running one: a thread reads the files, and what is right is put together here in small parts. */
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { type Diagnostic, newDiagnostic } from "../errors.ts";
import { startWorker } from "../package.ts";
import { compilePolicy, createPolicyBuilder, type Policy, type PolicyEnv, type PolicyFiles } from "./policy.ts";
import type { Checked, CheckedPart, CheckRequest } from "./worker.ts";

/** Less text than this is compiled in less time than a thread needs to start. */
const SMALL_CHARS = 16 * 1024;
/** A hundred thousand rules need half of it. */
const HEAP_MIB_MAX = 4096;

export interface CompiledBeside {
  policy?: Policy;
  diagnostics: Diagnostic[];
}

/** The same policy and diagnostics as compilePolicy gives. Between two parts the event loop does what else there is to do. */
export async function compileBeside(files: PolicyFiles, env: PolicyEnv): Promise<CompiledBeside> {
  const chars = Object.values(files).reduce((sum, text) => sum + text.length, 0);
  if (chars < SMALL_CHARS) return compilePolicy(files, env);
  const worker = startWorker("policy/worker", {
    workerData: requestOf(files, env),
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
  });
  try {
    return await assemble(worker, files, env);
  } catch (error) {
    // A thread whose memory is full ends alone.
    if ((error as { code?: unknown }).code !== "ERR_WORKER_OUT_OF_MEMORY") throw error;
    const message = `The files need more memory than ${HEAP_MIB_MAX} MiB; write fewer or simpler rules`;
    return { diagnostics: [newDiagnostic("SB0108", message)] };
  } finally {
    await worker.terminate();
  }
}

async function assemble(worker: Worker, files: PolicyFiles, env: PolicyEnv): Promise<CompiledBeside> {
  const { diagnostics, revision, machineIds } = (await answer(worker)) as Checked;
  if (revision === undefined) return { diagnostics };
  const builder = createPolicyBuilder(files, env, machineIds);
  for (;;) {
    const next = answer(worker);
    worker.postMessage("next");
    const { machines, rules } = (await next) as CheckedPart;
    if (machines.length + rules.length === 0) return { diagnostics, policy: builder.policy(revision) };
    for (const machine of machines) builder.addMachine(machine);
    for (const rule of rules) builder.addRule(rule);
    // Messages that wait are taken one after the other, without a turn for anything else.
    await setImmediate();
  }
}

/** Rejects when the thread ends with an error. */
async function answer(worker: Worker): Promise<unknown> {
  const [message] = await once(worker, "message");
  return message;
}

function requestOf(files: PolicyFiles, { vars, actions }: PolicyEnv): CheckRequest {
  return {
    files,
    vars,
    actions: [...actions].map(([name, { params, escapes = {} }]) => ({
      name,
      // Schemas are JSON, with marks of their library that cannot be sent.
      params: JSON.parse(JSON.stringify(params)),
      escapes: Object.keys(escapes),
    })),
  };
}
