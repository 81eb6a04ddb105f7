/** What tests leave for the end of the suite; see global.ts. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";

function record(kind: string, text: string): void {
  const folder = process.env.SIGNALBOX_TEST_RECORDS;
  if (folder) appendFileSync(join(folder, `${kind}-${process.pid}`), `${text}\n`);
}

/** Output of the product: log lines, answers, what a command printed. */
export function recordOutput(text: string): void {
  record("output", text);
}

/** A secret the product was given; it must not be in any output. */
export function recordSecret(secret: string): void {
  record("secrets", JSON.stringify(secret));
}

/** Something that could not be checked on this machine, and how to make it checkable. */
export function recordUnchecked(what: string): void {
  record("unchecked", what);
}
