/** Files of a policy that somebody wrote who means harm, or nobody meant: refused with a reason, and nothing else happens. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { SignalboxError } from "../../src/errors.ts";
import { readPolicyFiles } from "../../src/policy/policy.ts";
import { readYaml } from "../../src/yaml.ts";

const MIB = 1024 * 1024;
const MAKE_PIPE = "mkfifo";
const base = mkdtempSync(join(tmpdir(), "signalbox-policy-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** A project with these files; a name that ends in a slash is an empty folder. */
function project(files: Record<string, string> = {}): string {
  const dir = mkdtempSync(join(base, "project-"));
  for (const [name, text] of Object.entries({ "rules/": "", "statemachines/": "", ...files })) {
    const path = join(dir, name);
    mkdirSync(name.endsWith("/") ? path : dirname(path), { recursive: true });
    if (!name.endsWith("/")) writeFileSync(path, text);
  }
  return dir;
}

async function refusal(dir: string): Promise<string[]> {
  const error = await readPolicyFiles(dir).then(
    () => expect.fail("the files were read"),
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(SignalboxError);
  return (error as SignalboxError).problems.map(({ code, file, message }) => `${code} ${file}: ${message}`);
}

describe("what is no regular file is not opened", () => {
  test("a pipe, which would wait for its writer for ever", async () => {
    const dir = project();
    execFileSync(MAKE_PIPE, [join(dir, "rules/pipe.yaml")]);
    expect(await refusal(dir)).toEqual([
      'SB0003 rules/pipe.yaml: "rules/pipe.yaml" is not a regular file but a pipe, socket or device; put a file there',
    ]);
  });

  test("a socket", async () => {
    const dir = project();
    const server = createServer().listen(join(dir, "rules/s.yaml"));
    await new Promise((resolve) => server.once("listening", resolve));
    expect(await refusal(dir)).toEqual([expect.stringContaining("not a regular file")]);
    await new Promise((resolve) => server.close(resolve));
  });

  test.each(["/dev/zero", "/dev/random", "/dev/tty"])("a link to the device %s", async (device) => {
    const dir = project();
    symlinkSync(device, join(dir, "rules/device.yaml"));
    expect(await refusal(dir)).toEqual([expect.stringContaining("leads out of the project")]);
  });
});

describe("a link that leads out of the project is not followed", () => {
  test.each([
    ["a file", "rules/passwords.yaml", "/etc/passwd"],
    ["a folder", "rules/etc", "/etc"],
    ["a template", "rules/templates/passwords.hbs", "/etc/passwd"],
    ["a machine", "statemachines/m.yaml", "/etc/hostname"],
    ["a way up", "rules/up", "../.."],
    ["a process's own secrets", "rules/env.yaml", "/proc/self/environ"],
  ])("%s", async (_, name, target) => {
    const dir = project({ "rules/templates/": "" });
    symlinkSync(target, join(dir, name));
    expect(await refusal(dir)).toEqual([
      `SB0003 ${name}: "${name}" is a link that leads out of the project; put the file or folder itself there`,
    ]);
  });

  test("also not over another link, or to a folder whose name begins alike", async () => {
    const dir = project({ "away/": "" });
    mkdirSync(`${dir}-other`);
    writeFileSync(`${dir}-other/x.yaml`, "");
    symlinkSync("/etc", join(dir, "away/etc"));
    symlinkSync("../away/etc/hostname", join(dir, "rules/one.yaml"));
    symlinkSync(`${dir}-other/x.yaml`, join(dir, "rules/two.yaml"));
    expect(await refusal(dir)).toHaveLength(2);
  });

  test("one that stays inside is", async () => {
    const dir = project({ "rules/..data/a.yaml": "[]", "shared/b.yaml": "[]" });
    symlinkSync("..data/a.yaml", join(dir, "rules/a.yaml"));
    symlinkSync("../shared", join(dir, "rules/shared"));
    expect(Object.keys(await readPolicyFiles(dir))).toEqual(["rules/a.yaml", "rules/shared/b.yaml"]);
  });

  test("and the folder itself may lie elsewhere: who placed signalbox.yaml placed that link", async () => {
    const [dir, other] = [project(), project({ "rules/a.yaml": "[]" })];
    rmSync(join(dir, "rules"), { recursive: true });
    symlinkSync(join(other, "rules"), join(dir, "rules"));
    expect(Object.keys(await readPolicyFiles(dir))).toEqual(["rules/a.yaml"]);
  });
});

describe("sizes have limits", () => {
  test("a file of many GiB that holds nothing is not read", async () => {
    const dir = project({ "rules/hole.yaml": "" });
    truncateSync(join(dir, "rules/hole.yaml"), 2 ** 36);
    expect(await refusal(dir)).toEqual(['SB0108 rules/hole.yaml: The file "rules/hole.yaml" is larger than 8 MiB']);
  });

  test("many files that are each small enough are counted together, and that is told once", async () => {
    const dir = project();
    for (let i = 0; i < 12; i++) {
      writeFileSync(join(dir, `rules/${i}.yaml`), "");
      truncateSync(join(dir, `rules/${i}.yaml`), 8 * MIB);
    }
    expect(await refusal(dir)).toEqual([expect.stringMatching(/^SB0108 .*together larger than 64 MiB/)]);
  });

  test("ten links to one another make no million folders", async () => {
    const dir = project({ "rules/x.yaml": "[]" });
    for (let i = 0; i < 10; i++) symlinkSync(".", join(dir, `rules/again-${i}`));
    const told = await refusal(dir);
    expect(told.filter((one) => one.includes("more than 10,000 files and folders"))).toHaveLength(1);
  });
});

describe("a text that would fill the memory is given up at its first excess", () => {
  test.each([
    ["brackets", "["],
    ["braces", "{a: "],
    ["lists in one line", "- "],
    ["keys of keys", "? "],
    ["brackets in braces", "{? [ "],
  ])("7 MiB of %s", (_, sign) => {
    const { value, diagnostics } = readYaml("rules/a.yaml", sign.repeat((7 * MIB) / sign.length));
    expect(value).toBeUndefined();
    expect(diagnostics).toMatchObject([{ code: "SB0108", line: 1, message: "The nesting is deeper than 200 levels" }]);
    // Found where the limit is passed, so that what follows was never looked at.
    expect(diagnostics[0]!.col).toBeLessThan(2_000);
  });

  test("millions of values", () => {
    expect(readYaml("rules/a.yaml", `[${"1,".repeat(2_100_000)}]`).diagnostics).toMatchObject([
      { code: "SB0108", message: "More than 1,000,000 values and keys" },
    ]);
  });

  test("what only looks like it inside a text is a text", () => {
    const text = `- |\n  ${"[".repeat(300)}\n- "${"{".repeat(300)}"\n- a${"- ".repeat(300)}b\n`;
    expect(readYaml("rules/a.yaml", text)).toMatchObject({
      diagnostics: [],
      value: [`${"[".repeat(300)}\n`, "{".repeat(300), expect.any(String)],
    });
  });
});
