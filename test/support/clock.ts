/** The clock of the rehearsal, by the name that tests use for it. */
export { type VirtualClock as WoundClock, virtualClock as woundClock } from "../../src/rehearsal/clock.ts";
