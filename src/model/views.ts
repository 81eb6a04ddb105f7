/** Deliveries and traces as the API and the command line show them. */

import type { Trace } from "./decision.ts";
import type { Delivery } from "./delivery.ts";

export type DeliveryView = Delivery & {
  /** `connection.action`, such as `jira.transition`. */
  action: string;
  /** Same as `emitsOutcome`. */
  reports: boolean;
};

export type TraceView = Omit<Trace, "emitted"> & {
  /** Ids of the emitted events. */
  emitted: string[];
  emittedEvents: Trace["emitted"];
};
