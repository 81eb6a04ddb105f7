/** The store that forgets: every promise of the ports but durability. For tests, simulations and trying things out. */
import type { Store } from "../ports/store.ts";
import { memoryBooks } from "./memory/books.ts";
import { memoryLog } from "./memory/log.ts";
import { memoryQuestions } from "./memory/questions.ts";
import { memoryQueue } from "./memory/queue.ts";
import { emptyTables } from "./memory/tables.ts";

/** A store in this process. What goes in and what comes out is copied, so that nobody can change what is kept. */
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
