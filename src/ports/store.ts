/** Everything that must survive a crash: four ports, one for each kind of asker, in one place so that they share transactions. */
import type { Books } from "./books.ts";
import type { Log } from "./log.ts";
import type { Questions } from "./questions.ts";
import type { Queue } from "./queue.ts";

export interface Store extends Log, Queue, Books, Questions {
  /** Writes what is pending and lets go. Idempotent. */
  close(): Promise<void>;
}
