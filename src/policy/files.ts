/** The files of a policy, read from disk: all of them, or the reasons why not. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Diagnostic, SignalboxError } from "../errors.ts";

/** A hundred thousand rules fit in a few such files; nobody writes one. */
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
 * rejects with SignalboxError (SB0003, SB0001 not UTF-8, SB0108 too large) that carries all problems.
 */
export async function readPolicyFiles(dir: string): Promise<PolicyFiles> {
  const problems: Diagnostic[] = [];
  const names = [...(await namesBelow(dir, "rules", problems)), ...(await namesBelow(dir, "statemachines", problems))];
  const files: PolicyFiles = {};
  for (const name of names.toSorted()) {
    const text =
      isRuleFile(name) || isTemplateFile(name) || isMachineFile(name) ? await read(dir, name, problems) : undefined;
    if (text !== undefined) files[name] = text;
  }
  const first = problems[0];
  if (first !== undefined)
    throw new SignalboxError(first.code, `Cannot read the policy: ${first.message}`, { problems });
  return files;
}

async function namesBelow(dir: string, folder: string, problems: Diagnostic[], depth = 1): Promise<string[]> {
  try {
    const entries = (await readdir(join(dir, folder))).filter((entry) => !entry.startsWith("."));
    const names: string[] = [];
    for (const entry of entries) {
      const name = `${folder}/${entry}`;
      const isFolder = await isDirectory(join(dir, name));
      if (!isFolder) names.push(name);
      else if (depth < FOLDER_DEPTH_MAX) names.push(...(await namesBelow(dir, name, problems, depth + 1)));
      else problems.push(problem("SB0108", folder, `The folder "${name}" lies deeper than ${FOLDER_DEPTH_MAX} levels`));
    }
    return names;
  } catch (error) {
    problems.push(problem("SB0003", folder, unreadable("folder", folder, error)));
    return [];
  }
}

/** A link that leads nowhere counts as a file, so that reading it tells. */
async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function read(dir: string, name: string, problems: Diagnostic[]): Promise<string | undefined> {
  try {
    const path = join(dir, name);
    const { size } = await stat(path);
    if (size <= FILE_BYTES_MAX) return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
    problems.push(problem("SB0108", name, `The file "${name}" is larger than 8 MiB`));
  } catch (error) {
    const isEncoding = error instanceof TypeError;
    const message = isEncoding ? `The file "${name}" is not UTF-8; save it as UTF-8` : unreadable("file", name, error);
    problems.push(problem(isEncoding ? "SB0001" : "SB0003", name, message));
  }
  return undefined;
}

function unreadable(what: string, name: string, error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
  return code === "ENOENT" ? `The ${what} "${name}" does not exist` : `The ${what} "${name}" cannot be read (${code})`;
}

function problem(code: Diagnostic["code"], file: string, message: string): Diagnostic {
  return { code, severity: "error", message, file };
}
