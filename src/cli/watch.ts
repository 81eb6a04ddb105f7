/** Watches the folders of a policy. Editors write, rename and replace files: all events within a moment are one change. */

import { type FSWatcher, readdirSync, watch } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../errors.ts";

/** Editors and git need a moment to finish what they write. */
const QUIET_MS = 150;
/** Symbolic links may form a cycle. */
const DEPTH_MAX = 10;

export interface WatchOptions {
  /** The project's folder. */
  dir: string;
  /** Folders in it, with everything below. */
  folders: readonly string[];
  changed(): void;
  /** Called once when the system cannot watch. */
  failed(reason: string): void;
}

/** Returns the function that ends watching. */
export function watchFolders({ dir, folders, changed, failed }: WatchOptions): () => void {
  const watchers = new Map<string, FSWatcher>();
  let timer: NodeJS.Timeout | undefined;
  let hasFailed = false;

  function scheduleChange(): void {
    clearTimeout(timer);
    timer = setTimeout(() => {
      // A folder may be new, or replaced: the system watches the old one until it is watched again.
      watchAll();
      changed();
    }, QUIET_MS);
  }

  function watchAll(): void {
    const currentFolders = new Set(folders.flatMap((folder) => foldersBelow(join(dir, folder), DEPTH_MAX)));
    for (const [path, watcher] of watchers) {
      if (path === dir) continue;
      watcher.close();
      watchers.delete(path);
    }
    for (const path of currentFolders) watchFolder(path, () => true);
    // Notices when one of the folders is created, removed or replaced; other files in the project do not count.
    watchFolder(dir, (name) => name === null || folders.includes(name));
  }

  function watchFolder(path: string, isRelevant: (name: string | null) => boolean): void {
    if (watchers.has(path)) return;
    try {
      const watcher = watch(path, (_, name) => {
        if (isRelevant(name)) scheduleChange();
      });
      // The removal of a folder may be reported as an error.
      watcher.on("error", scheduleChange);
      watchers.set(path, watcher);
    } catch (error) {
      if (!hasFailed) failed(messageOf(error));
      hasFailed = true;
    }
  }

  watchAll();
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
    // The folder is removed already; the watcher of the parent notices when it is created again.
    return [];
  }
}
