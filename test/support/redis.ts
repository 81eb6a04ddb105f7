/** A redis-server of our own, to be stopped in the middle; and what is said where there is none. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { recordUnchecked } from "./records.ts";

/** Whether missing services fail instead of being skipped. */
export const SERVICES_REQUIRED = process.env.SIGNALBOX_REQUIRE_SERVICES === "1";

/** Whether there is a redis-server program; what is not checked without it is on record for the end of the suite. */
export function hasRedisServer(unchecked: string): boolean {
  const isThere = spawnSync("redis-server", ["--version"]).status === 0;
  if (!isThere) recordUnchecked(`${unchecked}: put the program redis-server (package redis-server) on the PATH`);
  return isThere;
}

/** Resolves when it takes connections; keeps nothing on disk. */
export function startRedis(port: number, ...more: string[]): Promise<ChildProcess> {
  const server = spawn("redis-server", ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", ...more]);
  return new Promise((resolve, reject) => {
    server.once("exit", () => reject(new Error("redis-server ended")));
    server.stdout.on("data", (text) => String(text).includes("Ready to accept") && resolve(server));
  });
}

/** At once, as a crash would. */
export function killRedis(server: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (server.exitCode !== null || server.signalCode !== null) return resolve();
    server.once("exit", () => resolve());
    server.kill("SIGKILL");
  });
}
