/** The house rules as tests: who may import whom, one door per library, a pure core, files that fit a reader's head. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = new URL("..", import.meta.url).pathname;
const FILE_LINES_MAX = 400;

function filesUnder(folder: string, matching: RegExp): string[] {
  return readdirSync(join(ROOT, folder)).flatMap((name) => {
    const path = join(folder, name);
    if (name === "node_modules" || name === "fixtures") return [];
    if (statSync(join(ROOT, path)).isDirectory()) return filesUnder(path, matching);
    return matching.test(name) ? [path] : [];
  });
}

const text = (path: string) => readFileSync(join(ROOT, path), "utf8");

/** Imports of a file: ours as paths from the root, others by package name. Types count: knowing is importing. */
function importsOf(path: string): { ours: string[]; packages: string[] } {
  const specifiers = [...text(path).matchAll(/^(?:import|export)[^;]*?from "([^"]+)";|\bimport\("([^"]+)"\)/gm)]
    .map((match) => (match[1] ?? match[2])!)
    .filter((specifier) => !specifier.startsWith("$"));
  const ours = specifiers.filter((one) => one.startsWith(".")).map((one) => normalize(join(dirname(path), one)));
  const packages = specifiers.filter((one) => !one.startsWith("."));
  return { ours, packages };
}

/** The module of design and map: a folder, or a file directly in src. */
function moduleOf(path: string): string {
  const parts = relative("src", path).split("/");
  return parts.length > 1 ? parts[0]! : parts[0]!.replace(/\.ts$/, "");
}

const BASE = ["model", "errors"];
const MAY_IMPORT: Record<string, readonly string[]> = {
  network: ["ports"],
  api: BASE,
  operations: [...BASE, "ports", "core", "api"],
  model: [],
  errors: [],
  package: [],
  clock: ["ports"],
  yaml: BASE,
  ports: ["model"],
  core: BASE,
  providers: [...BASE, "ports", "network", "sandbox", "package"],
  contract: [...BASE, "ports", "core", "config", "flow", "cache", "network", "sandbox"],
  store: [...BASE, "ports", "package"],
  cache: ["model", "ports"],
  flow: [...BASE, "ports", "core"],
  rehearsal: [...BASE, "ports", "core", "yaml", "flow", "policy"],
  log: ["model", "ports"],
  config: [...BASE, "ports", "core", "yaml"],
  policy: [...BASE, "ports", "core", "config", "operations", "package", "yaml"],
  web: [...BASE, "ports", "core", "flow", "operations", "api", "log"],
  engine: ["*"],
  schemas: ["*"],
  sandbox: ["model"],
  graph: ["errors", "core"],
  cli: [
    ...BASE,
    "ports",
    "core",
    "engine",
    "package",
    "clock",
    "providers",
    "policy",
    "config",
    "operations",
    "api",
    "graph",
    "sandbox",
    "contract",
    "yaml",
    "log",
    "store",
  ],
  main: ["cli"],
};

/** Each library has one door, a file, so that replacing it changes one place. */
const DOORS: Record<string, readonly string[]> = {
  xstate: ["core/machine/run/interpreter.ts"],
  "@marcbachmann/cel-js": ["core/cel/parse.ts"],
  handlebars: ["core/render.ts"],
  ajv: ["core/check.ts"],
  "ajv-formats": ["core/check.ts"],
  "better-sqlite3": ["store/sqlite/"],
  ioredis: ["cache/redis.ts"],
  // The request handlers of the API know its types.
  express: ["web/admin.ts", "web/access.ts"],
  "prom-client": ["web/metrics.ts"],
  undici: ["network/http.ts"],
  pino: ["log.ts"],
  commander: ["cli/program.ts"],
  elkjs: ["graph/layout.ts"],
  yaml: ["yaml.ts", "yaml/tokens.ts"],
  // Schemas are values of typebox, wherever they are.
  typebox: [""],
};

const sources = filesUnder("src", /\.ts$/);

const codeLines = (path: string) =>
  text(path)
    .split("\n")
    .filter((line) => !/^\s*(\*|\/\/|\/\*\*)/.test(line));

/** The first circle that a walk along imports from a file comes back by. */
function circleFrom(path: string, imports: ReadonlyMap<string, readonly string[]>, done: Set<string>): string[] {
  const walk = (at: string, way: readonly string[]): string[] => {
    if (way.includes(at)) return [...way.slice(way.indexOf(at)), at];
    if (done.has(at)) return [];
    const circle = (imports.get(at) ?? []).map((next) => walk(next, [...way, at])).find(({ length }) => length > 0);
    done.add(at);
    return circle ?? [];
  };
  return walk(path, []);
}

describe("who may import whom", () => {
  test.each(sources)("%s", (path) => {
    const from = moduleOf(path);
    const allowed = MAY_IMPORT[from];
    expect(allowed, `module "${from}" is not in the table`).toBeDefined();
    const wrong = importsOf(path).ours.filter((target) => {
      const to = moduleOf(target);
      return to !== from && !allowed!.includes(to) && !allowed!.includes("*");
    });
    expect(wrong).toEqual([]);
  });

  test("no import leads round in a circle, types included", () => {
    const imports = new Map(sources.map((path) => [path, importsOf(path).ours]));
    const done = new Set<string>();
    const circles = sources
      .map((path) => circleFrom(path, imports, done).join(" -> "))
      .filter((circle) => circle !== "");
    expect(circles).toEqual([]);
  });

  test("no right in the table is unused", () => {
    const used = new Set(
      sources.flatMap((path) => importsOf(path).ours.map((to) => `${moduleOf(path)} ${moduleOf(to)}`)),
    );
    const rights = Object.entries(MAY_IMPORT).flatMap(([from, allowed]) => allowed.map((to) => `${from} ${to}`));
    expect(rights.filter((right) => !right.endsWith("*") && !used.has(right))).toEqual([]);
  });

  test("a provider reaches the network only through what it is handed", () => {
    // isIP only looks at a text.
    const raw = /^import (?!\{ isIP \}).*"node:(?:net|tls|http|https|http2|dgram|dns)(?:\/\w+)?"/m;
    const wrong = sources.filter((path) => path.startsWith("src/providers/") && raw.test(text(path)));
    expect(wrong).toEqual([]);
  });

  test("a provider imports its kit and no other provider", () => {
    const providerOf = (path: string) => /^src\/providers\/([^/]+?)(?:\/|\.ts$)/.exec(path)?.[1];
    for (const path of sources.filter((one) => one.startsWith("src/providers/") && one !== "src/providers/index.ts")) {
      const own = providerOf(path);
      const others = importsOf(path).ours.filter((one) => {
        const other = providerOf(one);
        return other !== undefined && other !== own && other !== "kit";
      });
      expect(others, path).toEqual([]);
    }
  });
});

test("a provider has no way to a socket but the network that it is handed", () => {
  const sockets = /^(node:)?(net|tls|http|https|http2|dgram|dns)(\/|$)|^undici$/;
  for (const path of sources.filter((one) => one.startsWith("src/providers/"))) {
    expect(
      importsOf(path).packages.filter((name) => sockets.test(name)),
      path,
    ).toEqual([]);
    expect(/\bfetch\(/.test(text(path)), path).toBe(false);
  }
});

test("a command imports no other command, but for the verb of a noun", () => {
  const commands = sources.filter((path) => path.startsWith("src/cli/commands/") && !path.endsWith("/index.ts"));
  const wrong = commands.flatMap((path) =>
    importsOf(path)
      .ours.filter((to) => to.startsWith("src/cli/commands/"))
      .map((to) => `${path} imports ${to}`),
  );
  expect(wrong).toEqual([
    "src/cli/commands/instances.ts imports src/cli/commands/migrate.ts",
    "src/cli/commands/providers.ts imports src/cli/commands/providers-check.ts",
  ]);
});

test("every library has one door", () => {
  const wrong: string[] = [];
  for (const path of sources) {
    for (const name of importsOf(path).packages) {
      if (name.startsWith("node:")) continue;
      const bare = name
        .split("/")
        .slice(0, name.startsWith("@") ? 2 : 1)
        .join("/");
      const isDoor = DOORS[bare]?.some((door) => path.startsWith(`src/${door}`));
      if (!isDoor) wrong.push(`${path} imports ${name}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("the nouns load without typebox, which only the schemas need", () => {
  const isSchema = (path: string) => /^src\/model\/(rule|schemas|schema-kit)\.ts$/.test(path);
  const loads = (path: string) =>
    [...text(path).matchAll(/^(?:import|export)(?! type\b)[^;]*?from "([^"]+)";/gm)].map(([, specifier]) => specifier!);
  const nouns = sources.filter((path) => moduleOf(path) === "model" && !isSchema(path));
  const isHeavy = (path: string) => (one: string) =>
    !one.startsWith(".") || isSchema(normalize(join(dirname(path), one)));
  expect(nouns.filter((path) => loads(path).some(isHeavy(path)))).toEqual([]);
});

test("only a module directly in src asks for its own place: a bundle moves the others", () => {
  const moved = sources.filter((path) => moduleOf(path) !== relative("src", path).replace(/\.ts$/, ""));
  expect(moved.filter((path) => /import\.meta\.(url|dirname|filename)/.test(text(path)))).toEqual([]);
});

test("help and version load no library but the command line's own", () => {
  const seen = new Set(["src/cli/program.ts", "src/cli/commands/version.ts"]);
  const packages = new Set<string>();
  for (const path of seen) {
    for (const [, specifier] of text(path).matchAll(/^(?:import|export)(?! type\b)[^;]*?from "([^"]+)";/gm)) {
      if (specifier!.startsWith(".")) seen.add(normalize(join(dirname(path), specifier!)));
      else if (!specifier!.startsWith("node:")) packages.add(specifier!);
    }
  }
  expect([...packages]).toEqual(["commander"]);
});

test("a library that is used beyond its documentation is pinned to one version", () => {
  const file = JSON.parse(text("package.json")) as Record<string, Record<string, string>>;
  const versions = { ...file.devDependencies, ...file.dependencies };
  const pinned = ["xstate", "@marcbachmann/cel-js"].map((name) => versions[name]);
  for (const version of pinned) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
});

test("core knows no clock, no chance, no network, no disk and no console", () => {
  const impure =
    /Date\.now|new Date\(\)|Math\.random|\bprocess\.|\bconsole\.|\bfetch\(|setTimeout|setInterval|randomUUID|randomBytes|performance\.|"node:(?!crypto)|\basync\b|\bawait\b/;
  for (const path of sources.filter((one) => one.startsWith("src/core/") || one.startsWith("src/model"))) {
    const lines = text(path).split("\n");
    const found = lines.filter((line) => impure.test(line) && !/^\s*(\*|\/\/|\/\*\*)/.test(line));
    expect(found, path).toEqual([]);
  }
});

test("core keeps no state in its modules", () => {
  // What lies in a WeakMap is held no longer than what it was computed from.
  const state =
    /^(?:export )?(?:let|var) |^(?:export )?const \w+(?:: (?!readonly|Readonly)[^=]+)? = (?:new (?:Map|Set)(?:<.*>)?\(\)|\[\]|\{\});/;
  for (const path of sources.filter((one) => one.startsWith("src/core/")))
    expect(
      codeLines(path).filter((line) => state.test(line)),
      path,
    ).toEqual([]);
});

test("a variable says what it holds, not how the writer came by it", () => {
  const participle = /\b(?:const|let) (?:found|known|told|kept|asked|taken|chosen|made|given|wanted)\b/;
  for (const path of sources)
    expect(
      codeLines(path).filter((line) => participle.test(line)),
      path,
    ).toEqual([]);
});

test("a type that is exported has a name of its own", () => {
  const names = sources.flatMap((path) =>
    [...text(path).matchAll(/^export (?:interface|type|class) (\w+)/gm)].map((match) => match[1]!),
  );
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

test("time and chance enter only at the edge", () => {
  const clock = /Date\.now|new Date\(\)|Math\.random|setTimeout\(|setInterval\(/;
  const edge = /^src\/(clock|main|schemas)\.ts$|^src\/(cli|sandbox|web)\/|^src\/network\//;
  for (const path of sources.filter((one) => !edge.test(one))) {
    const found = text(path)
      .split("\n")
      .filter((line) => clock.test(line) && !/^\s*(\*|\/\/|\/\*\*)/.test(line));
    expect(found, path).toEqual([]);
  }
});

test("only main.ts touches the process", () => {
  for (const path of sources.filter((one) => one !== "src/main.ts" && one !== "src/schemas.ts")) {
    const found = text(path)
      .split("\n")
      .filter((line) => /\bprocess\.\w/.test(line) && !/^\s*(\*|\/\/|\/\*\*)/.test(line));
    expect(found, path).toEqual([]);
  }
});

test("what goes to the terminal goes through one function", () => {
  const own = sources.filter((path) => /^src\/(cli\/|log)/.test(path) && /\[\\u0000|\\u007f|\\x7f/.test(text(path)));
  expect(own, "src/model/terminal.ts knows what acts on a terminal").toEqual([]);
  const entries = [...text("src/cli/program.ts").matchAll(/^export (?:async )?function (\w+)\((\w+): Shell/gm)];
  expect(entries.map(([, name, shell]) => `${name} ${shell}`)).toEqual(["run rawShell", "failWith rawShell"]);
  expect(text("src/cli/program.ts").match(/rawShell/g)).toHaveLength(4);
  expect(text("src/cli/program.ts").match(/const shell = guarded\(rawShell\)/g)).toHaveLength(2);
});

test("files fit a reader's head", () => {
  const long = [...sources, ...filesUnder("bench", /\.ts$/)]
    .map((path) => `${path}: ${text(path).split("\n").length}`)
    .filter((one) => Number(one.split(": ")[1]) > FILE_LINES_MAX);
  expect(long).toEqual([]);
});

test("nothing is left to do in a comment, and no host of a package registry is named", () => {
  const all = [
    ...sources,
    ...filesUnder("test", /\.ts$/),
    ...filesUnder("docs", /\.md$/),
    "README.md",
    "package-lock.json",
  ];
  const banned = new RegExp(
    ["TO" + "DO", "FIX" + "ME", "X" + "XX\\b", "registry\\.npm" + "js", "npm" + "js\\.org"].join("|"),
  );
  const found = all.filter((path) => banned.test(text(path)));
  expect(found).toEqual([]);
});

test("every module of src is in the map", () => {
  const map = text("src/README.md");
  const modules = [...new Set(sources.map(moduleOf))];
  expect(modules.filter((name) => !map.includes(`\`${name}`))).toEqual([]);
});
