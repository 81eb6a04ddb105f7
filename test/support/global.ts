/**
 * Around the whole suite: a build of the sources for the processes and threads that tests start, and a folder where every test leaves
 * what the product wrote and which secrets it was given. At the end that output is searched for the secrets, and what could not be
 * checked here is said loudly.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { build } from "./build.ts";

/** Called for each project of the configuration, and does its work once. */
export function setup(project: TestProject): void {
  if (process.env.SIGNALBOX_TEST_RECORDS) return;
  build();
  project.onTestsRerun(async () => build());
  process.env.SIGNALBOX_TEST_RECORDS = mkdtempSync(join(tmpdir(), "signalbox-records-"));
}

export function teardown(): void {
  const folder = process.env.SIGNALBOX_TEST_RECORDS;
  if (!folder || !existsSync(folder)) return;
  const lines = (prefix: string) =>
    readdirSync(folder)
      .filter((name) => name.startsWith(prefix))
      .flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n"))
      .filter((line) => line !== "");
  const missing = [...new Set(lines("unchecked-"))];
  const secrets = [...new Set(lines("secrets-").map((line) => JSON.parse(line) as string))];
  const output = lines("output-");
  rmSync(folder, { recursive: true, force: true });
  for (const line of missing) process.stderr.write(`\nNOT CHECKED HERE: ${line}\n`);
  const leaks = secrets.flatMap((secret) =>
    output.filter((line) => line.includes(secret)).map((line) => ({ secret, line })),
  );
  process.stderr.write(
    `\n${output.length} lines of output searched for ${secrets.length} secrets: ${leaks.length} found\n`,
  );
  if (leaks.length === 0) return;
  // vitest prints what a teardown throws, and would still end with 0.
  process.exitCode = 1;
  throw new Error(`Secrets in the output: ${JSON.stringify(leaks.slice(0, 5), null, 2)}`);
}
