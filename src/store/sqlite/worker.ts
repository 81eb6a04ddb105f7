/** The thread that owns the SQLite file, so that no fsync ever holds up the event loop. */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { SignalboxError } from "../../errors.ts";
import { type Answer, type Call, openSqliteFile, type SqliteFile } from "./database.ts";

/** To the thread: calls, or the wish to end. */
export type ToWorker = readonly Call[] | "close";
/** From the thread, first `opened` or `failed`, then answers, at last `closed`. */
export type FromWorker =
  | { kind: "opened" }
  | { kind: "failed"; code: "SB0701" | "SB0702"; message: string }
  | { kind: "answers"; answers: Answer[] }
  | { kind: "closed" };

/** One transaction holds no more calls than this: the first of them must not wait for ever. */
const BATCH_MAX = 512;

if (parentPort !== null) serve(parentPort, workerData.path);

function serve(port: NonNullable<typeof parentPort>, path: string): void {
  const tell = (message: FromWorker) => port.postMessage(message);
  let file: SqliteFile;
  try {
    file = openSqliteFile(path);
  } catch (error) {
    const code = error instanceof SignalboxError && error.code === "SB0702" ? error.code : "SB0701";
    tell({ kind: "failed", code, message: error instanceof Error ? error.message : String(error) });
    return;
  }
  port.on("message", (first: ToWorker) => {
    const messages = [first, ...waiting(port)];
    // What arrived while the last batch was written is the next batch.
    const calls = messages.flatMap((message) => (message === "close" ? [] : message));
    for (let at = 0; at < calls.length; at += BATCH_MAX) {
      tell({ kind: "answers", answers: file.run(calls.slice(at, at + BATCH_MAX)) });
    }
    if (!messages.includes("close")) return;
    file.close();
    tell({ kind: "closed" });
    port.close();
  });
  tell({ kind: "opened" });
}

function waiting(port: NonNullable<typeof parentPort>): ToWorker[] {
  const messages: ToWorker[] = [];
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
    messages.push(next.message);
  }
  return messages;
}
