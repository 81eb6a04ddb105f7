/**
 * The files of a policy, read from disk: all of them, or the reasons why not. Whoever may write into the folders is not trusted with the
 * process: only regular files are opened, nothing outside the project is read, and every size has a limit.
 */
import { constants } from "node:fs";
import { type FileHandle, open, opendir, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { type Diagnostic, newDiagnostic, SignalboxError } from "../errors.ts";

/** A hundred thousand rules fit in a few such files. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;
const ALL_BYTES_MAX = 64 * 1024 * 1024;
/** Files and folders; links may lead in circles. */
const ENTRIES_MAX = 10_000;
const FOLDER_DEPTH_MAX = 10;
/** A pipe without a writer must not hold up whoever opens it, and what was a file a moment ago may be a link now. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/** Name relative to the project's folder → text: `rules/pr.yaml`, `rules/templates/x.hbs`, `statemachines/ticket.yaml`. */
export interface PolicyFiles {
  [relativeName: string]: string;
}

export const isRuleFile = (name: string) => /^rules\/(?!templates\/).*\.ya?ml$/.test(name);
export const isTemplateFile = (name: string) => /^rules\/templates\/.*\.hbs$/.test(name);
export const isMachineFile = (name: string) => /^statemachines\/[^/]*\.(?:ya?ml|json)$/.test(name);

/** What one walk over the folders collects. */
interface FilesPass {
  dir: string;
  diagnostics: Diagnostic[];
  /** Real paths below which files may lie, also when links lead to them. */
  roots: readonly string[];
  entries: number;
  bytes: number;
}

/**
 * Rules, templates and machines below `dir`, in name order; dotfiles are left out. A missing folder is never an empty policy:
 * rejects with SignalboxError (SB0003, SB0001 not UTF-8, SB0108 too large) that carries all diagnostics.
 */
export async function readPolicyFiles(dir: string): Promise<PolicyFiles> {
  const roots = await Promise.all([dir, join(dir, "rules"), join(dir, "statemachines")].map(realPath));
  const pass: FilesPass = { dir, diagnostics: [], roots: roots.flatMap((root) => root ?? []), entries: 0, bytes: 0 };
  const names = [...(await namesBelow(pass, "rules")), ...(await namesBelow(pass, "statemachines"))];
  const files: PolicyFiles = {};
  for (const name of names.toSorted()) {
    const text = isRuleFile(name) || isTemplateFile(name) || isMachineFile(name) ? await read(pass, name) : undefined;
    if (text !== undefined) files[name] = text;
  }
  const [first] = pass.diagnostics;
  if (first !== undefined)
    throw new SignalboxError(first.code, `Cannot read the policy: ${first.message}`, { problems: pass.diagnostics });
  return files;
}

function addDiagnostic({ diagnostics }: FilesPass, code: Diagnostic["code"], message: string, file: string): void {
  diagnostics.push(newDiagnostic(code, message, { file }));
}

async function realPath(path: string): Promise<string | undefined> {
  return realpath(path).catch(() => undefined);
}

async function namesBelow(pass: FilesPass, folder: string, depth = 1): Promise<string[]> {
  const names: string[] = [];
  try {
    for (const name of await entriesOf(pass, folder)) {
      const kind = await kindOf(pass, name);
      if (kind === "outside") addDiagnostic(pass, "SB0003", outside(name), name);
      else if (kind !== "folder") names.push(name);
      else if (depth < FOLDER_DEPTH_MAX) names.push(...(await namesBelow(pass, name, depth + 1)));
      else addDiagnostic(pass, "SB0108", `The folder "${name}" lies deeper than ${FOLDER_DEPTH_MAX} levels`, folder);
    }
  } catch (error) {
    addDiagnostic(pass, "SB0003", unreadable("folder", folder, error), folder);
  }
  return names;
}

/** What lies in a folder, by name; past the limit of all folders together nothing, and that is told once. */
async function entriesOf(pass: FilesPass, folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of await opendir(join(pass.dir, folder))) {
    if (pass.entries > ENTRIES_MAX) break;
    pass.entries += 1;
    if (pass.entries > ENTRIES_MAX) {
      const message = `"rules" and "statemachines" hold more than ${ENTRIES_MAX.toLocaleString("en-US")} files and folders`;
      addDiagnostic(pass, "SB0108", message, folder);
    } else if (!name.startsWith(".")) names.push(`${folder}/${name}`);
  }
  return names.toSorted();
}

/** A link that leads nowhere counts as a file: reading it then gives the diagnostic. */
async function kindOf({ dir, roots }: FilesPass, name: string): Promise<"folder" | "file" | "outside"> {
  const path = await realPath(join(dir, name));
  if (path === undefined) return "file";
  if (!roots.some((root) => path === root || path.startsWith(root + sep))) return "outside";
  const isFolder = await stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  return isFolder ? "folder" : "file";
}

function outside(name: string): string {
  return `"${name}" is a link that leads out of the project; put the file or folder itself there`;
}

async function read(pass: FilesPass, name: string): Promise<string | undefined> {
  try {
    const bytes = await bytesOf(pass, name);
    return bytes && new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    const isEncoding = error instanceof TypeError;
    const message = isEncoding ? `The file "${name}" is not UTF-8; save it as UTF-8` : unreadable("file", name, error);
    addDiagnostic(pass, isEncoding ? "SB0001" : "SB0003", message, name);
    return undefined;
  }
}

async function bytesOf(pass: FilesPass, name: string): Promise<Uint8Array | undefined> {
  const path = await realpath(join(pass.dir, name));
  // Opening a device can do something, so nothing but a file is opened; what was opened is asked once more.
  if (!(await stat(path)).isFile()) return void addDiagnostic(pass, "SB0003", notRegular(name), name);
  const file = await open(path, OPEN_FLAGS);
  try {
    const opened = await file.stat();
    if (!opened.isFile()) return void addDiagnostic(pass, "SB0003", notRegular(name), name);
    const bytes = opened.size > FILE_BYTES_MAX ? undefined : await start(file, opened.size);
    if (bytes === undefined) return void addDiagnostic(pass, "SB0108", `The file "${name}" is larger than 8 MiB`, name);
    const before = pass.bytes;
    pass.bytes += bytes.length;
    if (pass.bytes <= ALL_BYTES_MAX) return bytes;
    if (before <= ALL_BYTES_MAX) addDiagnostic(pass, "SB0108", "The files are together larger than 64 MiB", name);
    return undefined;
  } finally {
    await file.close();
  }
}

/** What the file held when it was opened: one that grows meanwhile has no end. */
async function start(file: FileHandle, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let length = 0;
  while (length < size) {
    const { bytesRead } = await file.read(bytes, length, size - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

function notRegular(name: string): string {
  return `"${name}" is not a regular file but a pipe, socket or device; put a file there`;
}

function unreadable(what: string, name: string, error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
  return code === "ENOENT" ? `The ${what} "${name}" does not exist` : `The ${what} "${name}" cannot be read (${code})`;
}
