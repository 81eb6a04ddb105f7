/** The store in memory: every promise of the ports except durability. For tests, simulations and trials. */
import type { Store } from "../ports/store.ts";
import { memoryBooks } from "./memory/books.ts";
import { memoryLog } from "./memory/log.ts";
import { memoryQuestions } from "./memory/questions.ts";
import { memoryQueue } from "./memory/queue.ts";
import { emptyTables } from "./memory/tables.ts";

/** A store in this process. Values are copied on the way in and out, so that a caller cannot change stored rows. */
export function memoryStore(): Store {
  const tables = emptyTables();
  return {
    ...memoryLog(tables),
    ...memoryQueue(tables),
    ...memoryBooks(tables),
    ...memoryQuestions(tables),
    close: async () => {},
  };
}
