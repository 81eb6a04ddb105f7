/** Prints how long deliveries take to targets of every temper, beside the best possible. All on a virtual clock: the figures are the same everywhere. */
import { deliverAll, TARGETS } from "../test/support/targets.ts";

const DELIVERIES = 500;
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`.padStart(9);

for (const concurrency of [16, 4, 1]) {
  console.log(
    `\n${DELIVERIES} deliveries, ${concurrency} at a time${" ".repeat(19)}done      best own waits  ratio  requests  dead`,
  );
  for (const target of TARGETS) {
    const { doneMs, bestMs, ownWaitMs, requests, dead } = await deliverAll(target, {
      deliveries: DELIVERIES,
      concurrency,
    });
    const ratio = (doneMs / (bestMs + ownWaitMs)).toFixed(2).padStart(6);
    const name = target.name.padEnd(45);
    console.log(
      `${name}${seconds(doneMs)} ${seconds(bestMs)} ${seconds(ownWaitMs)} ${ratio} ${String(requests).padStart(9)} ${String(dead).padStart(5)}`,
    );
  }
}
