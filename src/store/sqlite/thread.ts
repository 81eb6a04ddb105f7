/** The thread that owns the file, as the main thread uses it: requests are sent together, responses resolve their promises. */
import type { Worker } from "node:worker_threads";
import { SignalboxError } from "../../errors.ts";
import { startWorker } from "../../package.ts";
import type { Ask, StoreRequest } from "./database.ts";
import type { FromWorker, ToWorker } from "./worker.ts";

interface PendingRequest {
  resolve(value: unknown): void;
  reject(error: SignalboxError): void;
}

/** The requests of one turn of the event loop are sent together; the thread performs all that wait in one transaction. */
export async function startThread(path: string): Promise<{ ask: Ask; close(): Promise<void> }> {
  const worker = startWorker("store/sqlite/worker", { workerData: { path } });
  const pending = new Map<number, PendingRequest>();
  let outgoing: StoreRequest[] = [];
  let lastId = 0;
  let ended: SignalboxError | undefined;
  let closing: Promise<void> | undefined;

  function send(): void {
    if (outgoing.length === 0) return;
    worker.postMessage(outgoing satisfies ToWorker);
    outgoing = [];
  }
  function end(error: SignalboxError): void {
    ended ??= error;
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  }
  const failure = (message: string, cause?: unknown) => new SignalboxError("SB0701", `${message}: ${path}`, { cause });
  const exited = new Promise<void>((resolve) => {
    worker.once("exit", () => {
      end(failure("The store's thread has ended"));
      resolve();
    });
  });
  worker.on("error", (cause) => end(failure("The store's thread has crashed", cause)));
  await whenOpened(worker, path);
  worker.on("message", (message: FromWorker) => {
    if (message.kind !== "answers") return;
    for (const answer of message.answers) {
      const call = pending.get(answer.id);
      pending.delete(answer.id);
      if ("error" in answer) call?.reject(failure(`The store failed: ${answer.error}`));
      else call?.resolve(answer.value);
    }
  });
  return {
    ask: (method, ...args) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended);
        lastId += 1;
        pending.set(lastId, { resolve: resolve as PendingRequest["resolve"], reject });
        if (outgoing.length === 0) setImmediate(send);
        outgoing.push({ id: lastId, method, args });
      }),
    close() {
      closing ??= (() => {
        if (ended === undefined) {
          send();
          worker.postMessage("close" satisfies ToWorker);
          ended = failure("The store is closed");
        }
        return exited;
      })();
      return closing;
    },
  };
}

function whenOpened(worker: Worker, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (code: "SB0701" | "SB0702", message: string, cause?: unknown) =>
      reject(new SignalboxError(code, `Cannot open the store ${path}: ${message}`, { cause }));
    worker.once("error", (cause) => fail("SB0701", cause.message, cause));
    worker.once("exit", () => fail("SB0701", "its thread has ended"));
    worker.once("message", (message: FromWorker) => {
      if (message.kind === "failed") fail(message.code, message.message);
      else resolve();
    });
  });
}
