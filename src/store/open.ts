/** Opens the store that the configuration names. */
import { SignalboxError } from "../errors.ts";
import type { Store } from "../ports/store.ts";
import { memoryStore } from "./memory.ts";
import { sqliteStore } from "./sqlite/store.ts";

type StoreAddress = { kind: "sqlite"; path: string } | { kind: "memory" } | { kind: "postgres"; url: string };

/** Rejects with SB0701 for a kind that this version cannot open, or a store that cannot be opened. */
export async function openStore(address: StoreAddress): Promise<Store> {
  switch (address.kind) {
    case "sqlite":
      return await sqliteStore({ path: address.path });
    case "memory":
      return memoryStore();
    case "postgres":
      throw new SignalboxError("SB0701", "This version keeps its log in SQLite; write sqlite:./data/signalbox.db");
  }
}

/** Kind and place, without credentials. */
export function describeStore(address: StoreAddress): string {
  return address.kind === "sqlite" ? `sqlite ${address.path}` : address.kind;
}
