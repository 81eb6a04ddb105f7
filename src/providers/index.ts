/** Finds the providers by reading this folder: one file, one outside system, named like its default export. */
import { readdir } from "node:fs/promises";
import { dirname, join, parse } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Provider } from "../ports.ts";

const OWN_FOLDER = dirname(fileURLToPath(import.meta.url));

/** All providers of a folder by name, in alphabetical order. Works alike from src and from dist. */
export async function loadProviders(folder: string = OWN_FOLDER): Promise<ReadonlyMap<string, Provider>> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && /^(?!index\.)[^.]+\.[jt]s$/.test(entry.name))
    .map((entry) => entry.name)
    .sort();
  const providers = await Promise.all(files.map((file) => load(join(folder, file))));
  return new Map(providers.map((provider) => [provider.name, provider]));
}

async function load(file: string): Promise<Provider> {
  const { default: provider } = (await import(pathToFileURL(file).href)) as { default?: Provider };
  if (provider?.name !== parse(file).name) {
    throw new Error(
      `Cannot load ${file}: its default export is "${provider?.name}", not a provider named like the file`,
    );
  }
  return provider;
}
