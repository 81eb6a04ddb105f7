/** The files of a policy, read from disk: all of them, or the reasons why not. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Diagnostic, newDiagnostic, SignalboxError } from "../errors.ts";

/** A hundred thousand rules fit in a few such files. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;
/** Folders below folders; links may lead in circles. */
const FOLDER_DEPTH_MAX = 10;

/** Name relative to the project's folder → text: `rules/pr.yaml`, `rules/templates/x.hbs`, `statemachines/ticket.yaml`. */
export interface PolicyFiles {
  [relativeName: string]: string;
}

export const isRuleFile = (name: string) => /^rules\/(?!templates\/).*\.ya?ml$/.test(name);
export const isTemplateFile = (name: string) => /^rules\/templates\/.*\.hbs$/.test(name);
export const isMachineFile = (name: string) => /^statemachines\/[^/]*\.(?:ya?ml|json)$/.test(name);

/**
 * Rules, templates and machines below `dir`, in name order; dotfiles are left out. A missing folder is never an empty policy:
 * rejects with SignalboxError (SB0003, SB0001 not UTF-8, SB0108 too large) that carries all diagnostics.
 */
export async function readPolicyFiles(dir: string): Promise<PolicyFiles> {
  const diagnostics: Diagnostic[] = [];
  const names = [
    ...(await namesBelow(dir, "rules", diagnostics)),
    ...(await namesBelow(dir, "statemachines", diagnostics)),
  ];
  const files: PolicyFiles = {};
  for (const name of names.toSorted()) {
    const text =
      isRuleFile(name) || isTemplateFile(name) || isMachineFile(name) ? await read(dir, name, diagnostics) : undefined;
    if (text !== undefined) files[name] = text;
  }
  const first = diagnostics[0];
  if (first !== undefined)
    throw new SignalboxError(first.code, `Cannot read the policy: ${first.message}`, { problems: diagnostics });
  return files;
}

async function namesBelow(dir: string, folder: string, diagnostics: Diagnostic[], depth = 1): Promise<string[]> {
  try {
    const entries = (await readdir(join(dir, folder))).filter((entry) => !entry.startsWith("."));
    const names: string[] = [];
    for (const entry of entries) {
      const name = `${folder}/${entry}`;
      const isFolder = await isDirectory(join(dir, name));
      if (!isFolder) names.push(name);
      else if (depth < FOLDER_DEPTH_MAX) names.push(...(await namesBelow(dir, name, diagnostics, depth + 1)));
      else
        diagnostics.push(
          newDiagnostic("SB0108", `The folder "${name}" lies deeper than ${FOLDER_DEPTH_MAX} levels`, { file: folder }),
        );
    }
    return names;
  } catch (error) {
    diagnostics.push(newDiagnostic("SB0003", unreadable("folder", folder, error), { file: folder }));
    return [];
  }
}

/** A broken link counts as a file: reading it then gives the diagnostic. */
async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function read(dir: string, name: string, diagnostics: Diagnostic[]): Promise<string | undefined> {
  try {
    const path = join(dir, name);
    const { size } = await stat(path);
    if (size <= FILE_BYTES_MAX) return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
    diagnostics.push(newDiagnostic("SB0108", `The file "${name}" is larger than 8 MiB`, { file: name }));
  } catch (error) {
    const isEncoding = error instanceof TypeError;
    const message = isEncoding ? `The file "${name}" is not UTF-8; save it as UTF-8` : unreadable("file", name, error);
    diagnostics.push(newDiagnostic(isEncoding ? "SB0001" : "SB0003", message, { file: name }));
  }
  return undefined;
}

function unreadable(what: string, name: string, error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
  return code === "ENOENT" ? `The ${what} "${name}" does not exist` : `The ${what} "${name}" cannot be read (${code})`;
}
