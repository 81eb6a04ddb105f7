/** Every store that keeps the promises of the port: the contract suite runs over this list. A new adapter adds one entry. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Store } from "../../src/ports/store.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { sqliteStore } from "../../src/store/sqlite/store.ts";

export interface StoreFactory {
  name: string;
  /** An empty store, and how to be rid of it. */
  open(): Promise<{ store: Store; remove(): Promise<void> }>;
}

export const STORES: readonly StoreFactory[] = [
  { name: "memory", open: async () => ({ store: memoryStore(), remove: async () => {} }) },
  {
    name: "sqlite",
    async open() {
      const folder = mkdtempSync(join(tmpdir(), "signalbox-store-"));
      const store = await sqliteStore({ path: join(folder, "signalbox.db") });
      return {
        store,
        async remove() {
          await store.close();
          rmSync(folder, { recursive: true });
        },
      };
    },
  },
];
