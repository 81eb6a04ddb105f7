/** Finds the providers by reading this folder: a file or a folder per outside system, named like its default export. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { CODE, CODE_EXTENSION } from "../package.ts";
import type { Provider } from "../ports/provider.ts";

const FOLDER = fileURLToPath(new URL("providers/", CODE));
/** What providers share; no provider. */
const KIT = "kit";

/** All providers of a folder by name, in alphabetical order. Works alike from src and from dist. */
export async function loadProviders(folder: string = FOLDER): Promise<ReadonlyMap<string, Provider>> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.flatMap((entry): [name: string, file: string][] => {
    if (entry.isDirectory()) {
      return entry.name === KIT ? [] : [[entry.name, join(folder, entry.name, `index${CODE_EXTENSION}`)]];
    }
    const [, name] = /^(?!index\.)([^.]+)\.[jt]s$/.exec(entry.name) ?? [];
    return name === undefined ? [] : [[name, join(folder, entry.name)]];
  });
  files.sort(([a], [b]) => (a < b ? -1 : 1));
  const providers = await Promise.all(files.map(([name, file]) => load(name, file)));
  return new Map(providers.map((provider) => [provider.name, provider]));
}

async function load(name: string, file: string): Promise<Provider> {
  const { default: provider } = (await import(pathToFileURL(file).href)) as { default?: Provider };
  if (provider?.name !== name) {
    throw new Error(
      `Cannot load ${file}: its default export is "${provider?.name}", not a provider named like the file`,
    );
  }
  return provider;
}
