import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The store's thread is started from the build, as in use: one that reads TypeScript takes three times as long to start. */
const storeThread = {
  name: "the store's thread from the build",
  enforce: "pre" as const,
  transform(code: string, id: string) {
    const [, root] = /^(.*)\/src\/store\/sqlite\/\w+\.ts$/.exec(id) ?? [];
    const worker = `new URL("file://${root}/dist/store/sqlite/worker.js")`;
    return root === undefined ? undefined : code.replace(/new Worker\(start, .*\);/, `new Worker(${worker}, options);`);
  },
};

/** What waits longest goes first, so that no processor is idle at the end. */
const LONGEST = ["test/e2e/crash", "test/docs", "test/simulation", "test/core/index-laws"];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = LONGEST.findIndex((name) => moduleId.includes(`/${name}.`));
      return at < 0 ? LONGEST.length : at;
    };
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}

/** Tests of what computes and keeps nothing need no process of their own; one of them puts a stand-in in a library's place. */
const PURE = ["test/core/!(graph-layouts).test.ts", "test/providers/*.test.ts"];

export default defineConfig({
  plugins: [storeThread],
  test: {
    globalSetup: ["test/support/global.ts"],
    sequence: { sequencer: LongestFirst },
    // More than there are processors: tests of whole processes wait for them most of the time.
    maxWorkers: "150%",
    // Only for what hangs: no test measures time, and a busy machine may take its own.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 100_000, interval: 20 } },
    projects: [
      { extends: true, test: { name: "pure", include: PURE, isolate: false } },
      { extends: true, test: { name: "whole", include: ["test/**/*.test.ts"], exclude: PURE } },
    ],
  },
});
