/** The thread that owns the SQLite file, so that no fsync ever holds up the event loop. */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { SignalboxError } from "../../errors.ts";
import { type Answer, type Call, openSqliteFile, type SqliteFile } from "./database.ts";
import { scheduler } from "./scheduler.ts";

/** To the thread: calls, or the wish to end. */
export type ToWorker = readonly Call[] | "close";
/** From the thread, first `opened` or `failed`, then answers, at last `closed`. */
export type FromWorker =
  | { kind: "opened" }
  | { kind: "failed"; code: "SB0701" | "SB0702"; message: string }
  | { kind: "answers"; answers: Answer[] }
  | { kind: "closed" };

if (parentPort !== null) serve(parentPort, workerData.path);

function serve(port: MessagePort, path: string): void {
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
    let isClosing = false;
    const perform = scheduler((calls) => tell({ kind: "answers", answers: file.run(calls) }));
    perform(first === "close" ? [] : first, () => {
      // What arrived while the last batch was written is the next batch.
      const messages = waiting(port);
      isClosing ||= messages.includes("close");
      return messages.flatMap((message) => (message === "close" ? [] : message));
    });
    if (!isClosing && first !== "close") return;
    file.close();
    tell({ kind: "closed" });
    port.close();
  });
  tell({ kind: "opened" });
}

function waiting(port: MessagePort): ToWorker[] {
  const messages: ToWorker[] = [];
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
    messages.push(next.message);
  }
  return messages;
}
