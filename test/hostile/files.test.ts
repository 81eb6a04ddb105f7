/** What is written to disk can be read by its owner only, and never lands in a file that somebody else chose. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { reportFailure } from "../../src/cli/terminal/failure.ts";
import { paintWith } from "../../src/cli/terminal/output.ts";
import { newEvent } from "../support/nouns.ts";
import { sqliteStoreInThisThread } from "../support/stores.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "signalbox-files-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

test("the files of a database are for their owner only, whatever made them", async () => {
  const path = join(folder, "signalbox.db");
  const files = ["", "-wal", "-shm"].map((end) => path + end);
  const made = new SqliteDatabase(path);
  made.pragma("journal_mode = wal");
  made.exec("create table t (x)");
  for (const file of files) chmodSync(file, 0o664);
  const store = sqliteStoreInThisThread(path);
  await store.append([newEvent("evt_1")]);
  expect(files.map((file) => (statSync(file).mode & 0o777).toString(8))).toEqual(["600", "600", "600"]);
  made.close();
  await store.close();
});

test("a failure file is never written through a link that waits under its name", () => {
  vi.spyOn(Date, "now").mockReturnValue(1);
  const victim = join(folder, "victim.txt");
  writeFileSync(victim, "untouched");
  symlinkSync(victim, join(folder, "signalbox-failure-42-1.txt"));
  let told = "";
  const shell = {
    tempDir: folder,
    pid: 42,
    argv: [],
    nodeVersion: "",
    platform: "",
    err: (text: string) => (told += text),
  };
  reportFailure(shell as never, new Error("a bug"), { json: false, color: false, paint: paintWith(false) });
  expect(readFileSync(victim, "utf8")).toBe("untouched");
  expect(told).toContain("a bug");
});
