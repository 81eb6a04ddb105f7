/** Removes the entries that were set first until no more than `max` are left: a Map lists them in the order in which they were set. */
export function evictOldest<Key>(entries: Map<Key, unknown>, max: number): void {
  for (const oldest of entries.keys()) {
    if (entries.size <= max) return;
    entries.delete(oldest);
  }
}
