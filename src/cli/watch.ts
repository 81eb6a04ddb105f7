/** Watches the folders of a policy. Editors write, rename and replace: every sign of life counts, and many are one change. */
import { type FSWatcher, readdirSync, watch } from "node:fs";
import { join } from "node:path";

/** Editors and git need a moment to finish what they write. */
const QUIET_MS = 150;
/** Links may lead in circles. */
const DEPTH_MAX = 10;

export interface WatchOptions {
  /** The project's folder. */
  dir: string;
  /** Folders in it, with everything below. */
  folders: readonly string[];
  changed(): void;
  /** Told once when the system cannot watch. */
  failed(reason: string): void;
}

/** Watches until the answer is called. */
export function watchFolders({ dir, folders, changed, failed }: WatchOptions): () => void {
  const watchers = new Map<string, FSWatcher>();
  let timer: NodeJS.Timeout | undefined;
  let hasFailed = false;

  function stir(): void {
    clearTimeout(timer);
    timer = setTimeout(() => {
      // Folders come and go; a folder that was replaced is another one to the system.
      look();
      changed();
    }, QUIET_MS);
  }

  function look(): void {
    const now = new Set(folders.flatMap((folder) => foldersBelow(join(dir, folder), DEPTH_MAX)));
    for (const [path, watcher] of watchers) {
      if (path === dir) continue;
      watcher.close();
      watchers.delete(path);
    }
    for (const path of now) add(path, () => true);
    // Tells when a folder itself is made, removed or replaced; whatever else lies beside them does not matter.
    add(dir, (name) => name === null || folders.includes(name));
  }

  function add(path: string, matters: (name: string | null) => boolean): void {
    if (watchers.has(path)) return;
    try {
      const watcher = watch(path, (_, name) => {
        if (matters(name)) stir();
      });
      // A removed folder may report itself as an error; the next look notices.
      watcher.on("error", stir);
      watchers.set(path, watcher);
    } catch (error) {
      if (!hasFailed) failed(error instanceof Error ? error.message : String(error));
      hasFailed = true;
    }
  }

  look();
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers.values()) watcher.close();
    watchers.clear();
  };
}

function foldersBelow(folder: string, depth: number): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const inner = depth > 1 ? entries.flatMap(({ name }) => foldersBelow(join(folder, name), depth - 1)) : [];
    return [folder, ...inner];
  } catch {
    // It is gone already; the folder above tells when it comes back.
    return [];
  }
}
