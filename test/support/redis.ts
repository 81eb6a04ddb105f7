/** A redis-server of our own, to be stopped in the middle. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { hasService } from "./services.ts";

/** Whether there is a redis-server program. */
export function hasRedisServer(unchecked: string): boolean {
  return hasService({
    name: "redis-server",
    isThere: spawnSync("redis-server", ["--version"]).status === 0,
    unchecked,
    remedy: "put the program redis-server (package redis-server) on the PATH",
  });
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
