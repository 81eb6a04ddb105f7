/** The thread that owns the SQLite file, so that no fsync delays the event loop. */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { messageOf, SignalboxError } from "../../errors.ts";
import { openSqliteFile, type SqliteFile, type StoreRequest, type StoreResponse } from "./database.ts";
import { createScheduler } from "./scheduler.ts";

/** To the thread: requests, or `close`. */
export type ToWorker = readonly StoreRequest[] | "close";
/** From the thread: first `opened` or `failed`, then responses, at last `closed`. */
export type FromWorker =
  | { kind: "opened" }
  | { kind: "failed"; code: "SB0701" | "SB0702"; message: string }
  | { kind: "answers"; answers: StoreResponse[] }
  | { kind: "closed" };

if (parentPort !== null) serve(parentPort, workerData.path);

function serve(port: MessagePort, path: string): void {
  const send = (message: FromWorker) => port.postMessage(message);
  let file: SqliteFile;
  try {
    file = openSqliteFile(path);
  } catch (error) {
    const code = error instanceof SignalboxError && error.code === "SB0702" ? error.code : "SB0701";
    send({ kind: "failed", code, message: messageOf(error) });
    return;
  }
  port.on("message", (first: ToWorker) => {
    let isClosing = false;
    const perform = createScheduler((calls) => send({ kind: "answers", answers: file.run(calls) }));
    perform(first === "close" ? [] : first, () => {
      // Requests that arrived during the last batch are the next batch.
      const messages = waitingMessages(port);
      isClosing ||= messages.includes("close");
      return messages.flatMap((message) => (message === "close" ? [] : message));
    });
    if (!isClosing && first !== "close") return;
    file.close();
    send({ kind: "closed" });
    port.close();
  });
  send({ kind: "opened" });
}

function waitingMessages(port: MessagePort): ToWorker[] {
  const messages: ToWorker[] = [];
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
    messages.push(next.message);
  }
  return messages;
}
