/** Finds the providers: a file or a folder per outside system, named like its default export; shipped here, a project's own in its providers/. */

import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Diagnostic, messageOf, SignalboxError } from "../errors.ts";
import { isObject } from "../model.ts";
import { CODE } from "../package.ts";
import type { Provider, Starter } from "../ports/provider.ts";
import type { StandIn } from "../sandbox/stand-in.ts";
import { KIT } from "./kit/kit.ts";

const SHIPPED = fileURLToPath(new URL("providers/", CODE));
/** The folder of parts that shipped providers share. */
const KIT_FOLDER = "kit";
/** The folder of a project's own providers. */
const PROJECT_FOLDER = "providers";
const EXTENSIONS = /\.(?:[cm]?js|m?ts)$/;
const NAME = /^[a-z][a-z0-9-]*$/;

const PARTS = ["stand-in", "starter"] as const;
type Part = (typeof PARTS)[number];

interface ProviderFile {
  name: string;
  file: string;
  /** Its further files, by part. */
  parts: Readonly<Record<Part, string | undefined>>;
}

/**
 * The shipped providers, and those in providers/ of the project, for which `problemOf` says what else is wrong with one; SB0916 with every file that is no provider. By
 * name, shipped first.
 */
export async function loadProviders(
  project?: string,
  problemOf: (provider: Provider) => string | undefined = () => undefined,
): Promise<ReadonlyMap<string, Provider>> {
  const providers = new Map<string, Provider>();
  const problems: Diagnostic[] = [];
  for (const { name, file } of await find(SHIPPED)) providers.set(name, await load(name, file));
  for (const { name, file } of await findOwn(project)) {
    try {
      if (providers.has(name))
        throw new Error(`the name "${name}" is taken by a provider that is shipped or loaded already; rename the file`);
      const provider = await load(name, file);
      const problem = problemOf(provider);
      if (problem !== undefined) throw new Error(problem);
      providers.set(name, provider);
    } catch (error) {
      problems.push({
        code: "SB0916",
        severity: "error",
        file,
        message: `${file} is no provider: ${reasonOf(error, file)}`,
      });
    }
  }
  const [first] = problems;
  if (first) throw new SignalboxError("SB0916", first.message, { problems });
  return providers;
}

/** The stand-in for the system of a provider; empty when the provider has none. */
export async function loadStandIn(name: string, project?: string): Promise<StandIn> {
  const all = [...(await find(SHIPPED)), ...(await findOwn(project))];
  const entry = all.find((one) => one.name === name);
  return (entry && (await loadPart<StandIn>(entry, "stand-in"))) ?? {};
}

/** The starters of shipped providers, by name. */
export async function loadStarters(): Promise<ReadonlyMap<string, Starter>> {
  const starters = new Map<string, Starter>();
  for (const entry of await find(SHIPPED)) {
    const starter = await loadPart<Starter>(entry, "starter");
    if (starter) starters.set(entry.name, starter);
  }
  return starters;
}

async function loadPart<T>({ parts }: ProviderFile, part: Part): Promise<T | undefined> {
  const file = parts[part];
  return file === undefined ? undefined : ((await import(pathToFileURL(file).href)) as { default: T }).default;
}

/** Names of the project's own providers. */
export async function ownProviders(project: string): Promise<string[]> {
  return (await findOwn(project)).map(({ name }) => name);
}

async function findOwn(project: string | undefined): Promise<ProviderFile[]> {
  const folder = project === undefined ? undefined : join(project, PROJECT_FOLDER);
  return folder !== undefined && existsSync(folder) ? await find(folder) : [];
}

/** Files and folders in alphabetical order. A name with a second dot, such as gitea.test.js, is no provider. */
async function find(folder: string): Promise<ProviderFile[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.map(({ name }) => name).toSorted();
  const fileIn = (path: string, files: readonly string[], base: string): string | undefined => {
    const file = files.find((one) => EXTENSIONS.test(one) && one.replace(EXTENSIONS, "") === base);
    return file === undefined ? undefined : join(path, file);
  };
  const all = names.map(async (entry): Promise<ProviderFile[]> => {
    const path = join(folder, entry);
    if (entries.find(({ name }) => name === entry)?.isDirectory()) {
      if (folder === SHIPPED && entry === KIT_FOLDER) return [];
      const files = await readdir(path);
      const file = fileIn(path, files, "index");
      return file === undefined ? [] : [{ name: entry, file, parts: partsOf((part) => fileIn(path, files, part)) }];
    }
    const base = entry.replace(EXTENSIONS, "");
    if (!EXTENSIONS.test(entry) || base.includes(".") || base === "index") return [];
    return [{ name: base, file: path, parts: partsOf((part) => fileIn(folder, names, `${base}.${part}`)) }];
  });
  return (await Promise.all(all)).flat();
}

function partsOf(fileOf: (part: Part) => string | undefined): ProviderFile["parts"] {
  return Object.fromEntries(PARTS.map((part) => [part, fileOf(part)])) as ProviderFile["parts"];
}

async function load(name: string, file: string): Promise<Provider> {
  const { default: exported } = (await import(pathToFileURL(file).href)) as { default?: unknown };
  // A project cannot always import the kit, so a default export that is a function gets it as argument.
  const provider: unknown = typeof exported === "function" ? exported(KIT) : exported;
  const problem = providerProblem(provider, name);
  if (problem !== undefined) throw new Error(problem);
  return provider as Provider;
}

/** Why the value is no provider. */
function providerProblem(value: unknown, name: string): string | undefined {
  if (!isObject(value))
    return "its default export is no object and no function that gives one; write export default { name, summary, … }";
  if (value.name !== name) return `its name is ${JSON.stringify(value.name)}, and must be "${name}" like the file`;
  if (!NAME.test(name)) return `"${name}" is no name; names are small letters, digits and "-", and begin with a letter`;
  if (typeof value.summary !== "string") return "it has no summary";
  const { source, connection } = value;
  if (source === undefined && connection === undefined) return "it has neither source nor connection";
  return (source === undefined ? undefined : sourceProblem(source)) ?? connectionProblem(connection);
}

const NEEDED: Readonly<Record<string, readonly string[]>> = { webhook: ["verify", "normalise"], feed: ["run"] };

function sourceProblem(source: unknown): string | undefined {
  if (!isObject(source) || !isObject(source.settings) || !isObject(source.events)) {
    return "its source needs kind, settings and events";
  }
  const needed = NEEDED[String(source.kind)];
  if (!needed) return 'the kind of its source must be "webhook" or "feed"';
  const missing = needed.find((part) => typeof source[part] !== "function");
  return missing === undefined ? undefined : `its source has no function "${missing}"`;
}

function connectionProblem(connection: unknown): string | undefined {
  if (connection === undefined) return undefined;
  if (!isObject(connection) || !isObject(connection.settings) || !isObject(connection.actions)) {
    return "its connection needs settings and actions";
  }
  const isAction = (one: unknown) => isObject(one) && isObject(one.params) && typeof one.perform === "function";
  const wrong = Object.entries(connection.actions).find(([, action]) => !isAction(action));
  return wrong && `its action "${wrong[0]}" needs params and perform`;
}

function reasonOf(error: unknown, file: string): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ERR_UNKNOWN_FILE_EXTENSION" && extname(file).endsWith("ts")) {
    return "this Node does not read TypeScript; use Node 22.18 or newer, or write JavaScript";
  }
  return messageOf(error);
}
