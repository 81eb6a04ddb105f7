/** The thread that finds out what the files of a policy say, so that reading many rules holds up nobody. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { ActionForm } from "../core/render.ts";
import type { Diagnostic } from "../errors.ts";
import type { JsonObject } from "../model.ts";
import { checkPolicy, type PolicyFiles, type PolicyParts } from "./policy.ts";

/** What can be sent of `PolicyEnv`: of an action's own escapes only the names, nothing is rendered here. */
export interface CheckRequest {
  files: PolicyFiles;
  vars: JsonObject;
  actions: { name: string; params: ActionForm["params"]; escapes: string[] }[];
}

/** First what was found, then a part for every "next". */
export interface Checked {
  diagnostics: Diagnostic[];
  /** Absent when there is an error. */
  revision?: string;
  machineIds: string[];
}
export interface CheckedPart {
  machines: PolicyParts["machines"];
  rules: PolicyParts["rules"];
}

/** So few that compiling them is not felt. */
export const RULES_PER_PART = 25;

if (parentPort !== null) serve(parentPort, workerData);

function serve(port: MessagePort, { files, vars, actions }: CheckRequest): void {
  const forms = actions.map(({ name, params, escapes }): [string, ActionForm] => [
    name,
    { params, escapes: Object.fromEntries(escapes.map((each) => [each, (text: string) => text])) },
  ]);
  const { parts, diagnostics } = checkPolicy(files, { vars, actions: new Map(forms) });
  const { revision, machines = [], rules = [] } = parts ?? {};
  let machinesSent = 0;
  let rulesSent = 0;
  port.on("message", () => {
    const part: CheckedPart = { machines: machines.slice(machinesSent, machinesSent + 1), rules: [] };
    machinesSent += 1;
    if (part.machines.length === 0) {
      part.rules = rules.slice(rulesSent, rulesSent + RULES_PER_PART);
      rulesSent += RULES_PER_PART;
    }
    port.postMessage(part);
  });
  const checked: Checked = { diagnostics, machineIds: machines.map(({ id }) => id) };
  port.postMessage(revision === undefined ? checked : { ...checked, revision });
}
