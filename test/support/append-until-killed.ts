/** Appends to the store at argv[2] for ever and prints an id once it is answered; somebody will kill it. */
import { sqliteStore } from "../../src/store/sqlite/store.ts";
import { newEvent } from "./nouns.ts";

const store = await sqliteStore({ path: process.argv[2] ?? "" });
let n = 0;

async function appendForever(): Promise<never> {
  for (;;) {
    n += 1;
    const id = `evt_${n}`;
    await store.append([newEvent(id, { data: { filler: "x".repeat(5_000) } }, [{ key: `id:${id}` }])]);
    process.stdout.write(`${id}\n`);
  }
}

await Promise.all(Array.from({ length: 16 }, appendForever));
