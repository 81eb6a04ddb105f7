/**
 * The documentation is executed. A console block runs line by line in a scratch folder (one per document) and what it prints must fit what
 * the document shows, `…` standing for anything; a YAML block with a title is loaded as that file; the other YAML blocks are examples of
 * one of the kinds in support/documents.ts and give what they say.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, extname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { TOKEN_SCOPES } from "../src/api/endpoint.ts";
import { EXIT } from "../src/cli/terminal/failure.ts";
import { actionCatalogue, loadConfig } from "../src/config/config.ts";
import { clausesOf } from "../src/contract/contract.ts";
import { formatDuration } from "../src/core/duration.ts";
import { HELPERS } from "../src/core/helpers.ts";
import { OPERATORS } from "../src/core/match/operators.ts";
import { LIMITS } from "../src/model.ts";
import { compilePolicy } from "../src/policy/policy.ts";
import { loadProviders } from "../src/providers/index.ts";
import { KIT } from "../src/providers/kit/kit.ts";
import { documentFiles } from "../src/schemas.ts";
import { createMetrics } from "../src/web/metrics.ts";
import { MAIN } from "./support/build.ts";
import { type Block, blocksOf, documents, EXAMPLES, exampleOf, ROOT, textOf, titleOf } from "./support/documents.ts";
import { recordOutput } from "./support/records.ts";
import { folderOf, freePort, until } from "./support/served.ts";

const blocks = documents.flatMap(blocksOf);

test("every block is of a kind that is executed, or plain text", () => {
  const loose = blocks.filter((block) => {
    if (block.language === "yaml") return !titleOf(block) && !exampleOf(block) && !block.info.startsWith("bad SB");
    if (block.language === "js") return !titleOf(block)?.startsWith("providers/");
    return !["console", "text", "json", ""].includes(block.language);
  });
  expect(loose.map(({ document, line, language }) => `${document}:${line} ${language}`)).toEqual([]);
});

test("links between the documents lead somewhere", () => {
  const anchorsOf = (document: string) =>
    [...textOf(document).matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    );
  const broken = documents.flatMap((document) => {
    const prose = textOf(document).replace(/^```[\s\S]*?^```$/gm, "");
    return [...prose.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)].flatMap(([link, file = "", anchor]) => {
      const target = file === "" ? document : join(dirname(document), file);
      if (!existsSync(join(ROOT, target))) return [`${document}: ${link}`];
      return anchor === undefined || anchorsOf(target).includes(anchor) ? [] : [`${document}: ${link}`];
    });
  });
  expect(broken).toEqual([]);
  const proofs = documents.flatMap((document) =>
    [...textOf(document).matchAll(/`((?:test|src)\/[\w/.-]+)`/g)].map(([, path = ""]) => path),
  );
  expect(proofs.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

describe("examples in the documents give what they say", () => {
  const examples = blocks.filter(exampleOf);
  test.each(examples.map((block) => [`${block.document}:${block.line} ${block.info}`, block] as const))(
    "%s",
    (_name, block) => {
      const before = blocks.filter(({ document, line }) => document === block.document && line < block.line);
      const machine = (id: string) => before.findLast((one) => titleOf(one) === `statemachines/${id}.yaml`)?.text ?? "";
      EXAMPLES[exampleOf(block)!]!(block.text, machine);
    },
  );

  const shown = (kind: string) =>
    examples
      .filter((block) => exampleOf(block) === kind)
      .map(({ text }) => text)
      .join("\n");
  test.each(OPERATORS)("the operator %s has one", (operator) => {
    expect(shown("pattern")).toMatch(new RegExp(`\\b${operator}: `));
  });
  test.each(Object.keys(HELPERS))("the helper %s has one", (helper) => {
    expect(shown("template")).toMatch(new RegExp(`(\\{\\{|\\()${helper} `));
  });
});

describe("the tables in the documents", () => {
  const operating = textOf("docs/operating.md");
  /** Cells of every row whose first cell is that of a table with this head. */
  const rowsUnder = (head: string) => {
    const [, table = ""] = operating.split(`| ${head} |`);
    return (table.split("\n\n")[0] ?? "")
      .trim()
      .split("\n")
      .slice(1)
      .map((row) =>
        row
          .split("|")
          .slice(1, -1)
          .map((cell) => cell.trim().replaceAll("`", "")),
      );
  };

  test("providers and keys are the ones that the code makes; if not: npm run schemas", async () => {
    for (const [name, renewed] of Object.entries(documentFiles(await loadProviders()))) {
      const text = textOf(`docs/${name}`);
      expect(text, name).toBe(renewed(text));
    }
  });

  test("every metric is named, and no other", async () => {
    const { body } = await createMetrics().text();
    const made = [...body.matchAll(/^# TYPE (signalbox_\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    expect(
      rowsUnder("metric | type | labels | tells")
        .map(([name, type]) => `${name} ${type}`)
        .sort(),
    ).toEqual(made.sort());
    const named = [...operating.matchAll(/signalbox_[a-z_]+/g)].map(([name]) => name);
    expect(named.filter((name) => !made.some((one) => one.startsWith(`${name} `)))).toEqual([]);
  });

  test("every limit is told with its value, and no other", () => {
    const told = Object.entries(LIMITS).map(([name, value]) => {
      if (name.includes("ytes")) return [name, value < 1024 ** 2 ? `${value / 1024} KiB` : `${value / 1024 ** 2} MiB`];
      return [name, name.endsWith("Ms") ? formatDuration(value) : value.toLocaleString("en-US")];
    });
    expect(rowsUnder("limit | is | past it").map((cells) => cells.slice(0, 2))).toEqual(told);
  });

  test("every exit code is told, and no other", () => {
    expect(rowsUnder("exit code | means").map(([code]) => Number(code))).toEqual(Object.values(EXIT));
  });

  test("every helper that a provider of one's own is handed is named", () => {
    const text = textOf("docs/providers.md");
    expect(Object.keys(KIT).filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  test("every scope is told, and no other", () => {
    expect(rowsUnder("scope | allows").map(([scope]) => scope)).toEqual([...TOKEN_SCOPES]);
  });
});

describe("YAML in the documents loads", () => {
  const titled = blocks.filter((block) => block.language === "yaml" && titleOf(block));
  test.each(titled.map((block) => [`${block.document}:${block.line} ${titleOf(block)}`, block] as const))(
    "%s",
    async (_name, block) => {
      const title = titleOf(block)!;
      const providers = await loadProviders();
      if (title === "signalbox.yaml") {
        const names = [...block.text.matchAll(/env:([A-Z0-9_]+)|\$\{([A-Z0-9_]+)/g)].map(
          (match) => match[1] ?? match[2]!,
        );
        const env = Object.fromEntries(
          names.map((name) => [name, name.endsWith("URL") ? "https://example.com" : "a value for the test"]),
        );
        const folder = folderOf({ "signalbox.yaml": block.text });
        const { diagnostics: problems } = await loadConfig({ dir: folder, env, providers });
        rmSync(folder, { recursive: true });
        expect(problems).toEqual([]);
        return;
      }
      const connections = new Map([...providers.keys()].map((name) => [name, name]));
      for (const [name, provider] of connectionsIn(block.document)) connections.set(name, provider);
      const entries = [...connections].map(([name, provider]) => ({ config: { name, provider, settings: {} } }));
      // A rule may speak of machines that stand elsewhere in the same document, or that are shipped.
      const siblings = titled.filter((one) => one.document === block.document && titleOf(one) !== "signalbox.yaml");
      const beside = Object.fromEntries(siblings.map((one) => [titleOf(one)!, one.text]));
      const files = { ...shippedMachines(), ...beside, ...templates(), [title]: block.text };
      const { diagnostics: problems } = compilePolicy(files, {
        actions: actionCatalogue(entries, providers),
        vars: {},
      });
      expect(problems.filter(({ file }) => file === title)).toEqual([]);
    },
  );
});

test.each(blocks.filter(({ language }) => language === "js").map((block) => [titleOf(block) ?? "", block] as const))(
  "%s is a provider and keeps what providers promise",
  async (file, block) => {
    const folder = folderOf({ [file]: block.text });
    const name = basename(file, extname(file));
    const provider = (await loadProviders(folder)).get(name);
    if (!provider) throw new Error(`${file} is not loaded`);
    for (const { subject, text, hold } of clausesOf(provider))
      await expect(hold(), `${subject} ${text}`).resolves.toBeUndefined();
    expect(block.text.split("\n").length).toBeLessThan(50);
    rmSync(folder, { recursive: true });
  },
);

/** Connections that the document's own signalbox.yaml has, by name, with their provider. */
function connectionsIn(document: string): [string, string][] {
  const configs = blocks.filter((block) => block.document === document && titleOf(block) === "signalbox.yaml");
  return configs.flatMap(({ text }) => {
    const { connections = {} } = parse(text) as { connections?: Record<string, { provider: string }> };
    return Object.entries(connections).map(([name, { provider }]): [string, string] => [name, provider]);
  });
}

function shippedMachines(): Record<string, string> {
  const names = readdirSync(join(ROOT, "statemachines")).filter((name) => name.endsWith(".yaml"));
  return Object.fromEntries(
    names.map((name) => [`statemachines/${name}`, readFileSync(join(ROOT, "statemachines", name), "utf8")]),
  );
}

function templates(): Record<string, string> {
  const names = readdirSync(join(ROOT, "rules/templates"));
  return Object.fromEntries(
    names.map((name) => [`rules/templates/${name}`, readFileSync(join(ROOT, "rules/templates", name), "utf8")]),
  );
}

const scratch = mkdtempSync(join(tmpdir(), "signalbox-docs-"));
const background: ChildProcess[] = [];
afterAll(() => {
  for (const child of background) if (child.pid) process.kill(-child.pid, "SIGTERM");
  rmSync(scratch, { recursive: true, force: true });
});

/** Commands by the names that readers type. `npm` only knows the scripts of package.json and leaves installing alone. */
function commands(): string {
  const bin = join(scratch, "bin");
  if (existsSync(bin)) return bin;
  mkdirSync(bin);
  const scripts = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).scripts as Record<string, string>;
  const run = `exec "${process.execPath}" "${MAIN}"`;
  writeFileSync(join(bin, "signalbox"), `#!/bin/sh\n${run} "$@"\n`);
  writeFileSync(
    join(bin, "npm"),
    `#!/bin/sh
case "$*" in
  ci) exit 0 ;;
  test) ${scripts.test === "vitest run" ? "exit 0" : "exit 1"} ;;
  "run demo") ${run} ${scripts.demo?.replace("node dist/main.js ", "")} ;;
  "run bench") ${scripts.bench ? "exit 0" : "exit 1"} ;;
  start) ${run} ${scripts.start?.replace("node dist/main.js ", "")} ;;
  *) echo "unknown npm script: $*" >&2; exit 1 ;;
esac
`,
  );
  writeFileSync(join(bin, "sqlite3"), SQLITE3);
  for (const name of ["signalbox", "npm", "sqlite3"]) chmodSync(join(bin, name), 0o755);
  return bin;
}

/** A file that the reader is told to save: it is in the folder from there on. */
function isSaved({ info }: Block): boolean {
  return info.startsWith("title=") && info.endsWith(" save");
}

/** The same calls of SQLite as its shell makes, which need not be installed. */
const SQLITE3 = `#!${process.execPath}
const Database = require(${JSON.stringify(createRequire(import.meta.url).resolve("better-sqlite3"))});
const [file, command] = process.argv.slice(2);
const [, target] = /^\\.backup '(.+)'$/.exec(command) ?? [];
const db = new Database(file, { fileMustExist: true });
if (target) db.backup(target).then(() => db.close());
else console.log(db.prepare(command).pluck().get());
`;

interface Shown {
  command: string;
  expected: string[];
}

function shownIn(block: Block): Shown[] {
  const shown: Shown[] = [];
  for (const line of block.text.split("\n")) {
    if (line.startsWith("$ ")) shown.push({ command: line.slice(2), expected: [] });
    else shown.at(-1)?.expected.push(line);
  }
  return shown.map(({ command, expected }) => ({ command, expected: expected.filter((line) => line.trim() !== "") }));
}

describe("commands in the documents print what they say", () => {
  for (const document of documents) {
    const steps = blocks.filter(
      (block) => block.document === document && (block.language === "console" || isSaved(block)),
    );
    if (steps.length === 0) continue;
    test(document, async () => {
      const reader = await newReader();
      for (const block of steps) {
        if (isSaved(block)) await save(block, reader);
        for (const { command, expected } of shownIn(block)) {
          const output = await shell(command, reader);
          recordOutput(output);
          expect(fits(output, expected), `${document}:${block.line}\n$ ${command}\n${output}`).toBe(true);
        }
      }
    });
  }
});

/** Writes a file, and waits until a server in the background has read it. */
async function save(block: Block, { cwd, env }: Reader): Promise<void> {
  const policy = () =>
    fetch(`http://127.0.0.1:${env.SIGNALBOX_ADMIN_PORT}/api/v1/policy`).then(
      (response) => response.text(),
      () => undefined,
    );
  const file = titleOf(block)!;
  const before = await policy();
  writeFileSync(join(cwd, file), block.text);
  if (before === undefined || !/^(rules|statemachines)\//.test(file)) return;
  await until(`${file} is read`, async () => (await policy()) !== before);
}

/** Where the reader stands: what `cd` and `export` change stays for the next command. */
interface Reader {
  cwd: string;
  env: NodeJS.ProcessEnv;
  port: number;
}

/** Starts in a folder with the shipped policy, on ports that are free. */
async function newReader(): Promise<Reader> {
  const cwd = mkdtempSync(join(scratch, "reader-"));
  for (const name of ["signalbox.yaml", "rules", "statemachines", "schema"]) {
    cpSync(join(ROOT, name), join(cwd, name), { recursive: true });
  }
  const port = await freePort();
  const env = {
    ...process.env,
    PATH: `${commands()}:${process.env.PATH}`,
    NO_COLOR: "1",
    HOME: cwd,
    SIGNALBOX_PORT: String(port),
    SIGNALBOX_ADMIN_PORT: String(await freePort()),
  };
  return { cwd, env, port };
}

/** What the command prints; one that ends with & stays in the background once it answers. */
async function shell(command: string, reader: Reader): Promise<string> {
  const server = background.at(-1);
  if (command === "kill %1" && server) return await ended(server);
  const inBackground = command.trimEnd().endsWith("&");
  const line = inBackground
    ? `exec ${command.trimEnd().slice(0, -1)}`
    : `${command}\ncode=$?; pwd > "${scratch}/cwd"; env -0 > "${scratch}/env"; exit $code`;
  const { cwd, env, port } = reader;
  const child = spawn("bash", ["-c", line], { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: inBackground });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  if (inBackground) {
    background.push(child);
    const answers = () => fetch(`http://127.0.0.1:${port}/healthz`).then(({ ok }) => ok);
    await until(`${command} answers`, () => answers().catch(() => false));
    return output;
  }
  await new Promise((resolve) => child.once("close", resolve));
  reader.cwd = readFileSync(join(scratch, "cwd"), "utf8").trim();
  const variables = readFileSync(join(scratch, "env"), "utf8").split("\0").filter(Boolean);
  reader.env = Object.fromEntries(
    variables.map((one) => [one.slice(0, one.indexOf("=")), one.slice(one.indexOf("=") + 1)]),
  );
  return output;
}

/** What the server in the background still says until it has ended. */
async function ended(server: ChildProcess): Promise<string> {
  let output = "";
  server.stderr?.on("data", (chunk) => {
    output += chunk;
  });
  const closed = new Promise((resolve) => server.once("close", resolve));
  server.kill("SIGTERM");
  await closed;
  background.splice(background.indexOf(server), 1);
  return output;
}

/** Each shown line is found in the output, in order; `…` stands for anything within a line, alone for any lines. */
function fits(output: string, expected: readonly string[]): boolean {
  let rest = output.split("\n").map((line) => line.trimEnd());
  return expected.every((shown) => {
    if (shown.trim() === "…") return true;
    const parts = shown
      .trimEnd()
      .split("…")
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/ +/g, " +"));
    const pattern = new RegExp(`^${parts.join(".*")}$`);
    const at = rest.findIndex((line) => pattern.test(line));
    rest = rest.slice(at + 1);
    return at >= 0;
  });
}
