/** Provider state that may be lost. */
import type { Json } from "../model.ts";

export interface CacheTimes {
  ttlMs: number;
  /** How long a failed load is remembered in this process; absent = it is not. */
  failMs?: number;
}

/** Provider state that may be lost. Works, slower, when its backend is down; never throws for that. */
export interface Cache {
  /**
   * The value kept under the key, or what `load` gives. One load at a time per key and process (single flight). Kept for ttlMs with
   * up to 10 % jitter taken from the key. `load` returns only validated answers; what it throws is thrown on, and thrown again
   * without loading for failMs.
   */
  read<T extends Json>(key: string, times: CacheTimes, load: () => Promise<T>): Promise<T>;
  /** On the first sign that it is wrong. Forgets a failed load as well. */
  drop(key: string): Promise<void>;
  /** False while the backend cannot be reached. */
  healthy(): boolean;
  close(): Promise<void>;
}
