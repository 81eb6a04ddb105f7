/** The commands, grouped by what a person wants. */

import type { Command } from "../command.ts";
import { providers, schema, version } from "./about.ts";
import { check } from "./check.ts";
import { deliveries } from "./deliveries.ts";
import { demo } from "./demo.ts";
import { doctor } from "./doctor.ts";
import { events } from "./events.ts";
import { explain } from "./explain.ts";
import { graph } from "./graph.ts";
import { init } from "./init.ts";
import { instances } from "./instances.ts";
import { send } from "./send.ts";
import { serve } from "./serve.ts";
import { token } from "./token.ts";

export { replay } from "./about.ts";

export const GROUPS: Readonly<Record<string, readonly Command[]>> = {
  write: [init, check, providers, schema],
  understand: [explain, events, instances, graph],
  run: [demo, serve, send],
  operate: [deliveries, doctor, token, version],
};
