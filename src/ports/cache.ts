/** Provider state that may be lost. */
import type { Json } from "../model.ts";

/** Provider state that may be lost. Works, slower, when its backend is down; never throws for that. */
export interface Cache {
  /**
   * The value kept under the key, or what `load` gives. One load at a time per key and process (single flight). Kept for ttlMs
   * with up to 10 % jitter taken from the key. `load` returns only validated answers; what it throws is thrown on and not kept.
   */
  read<T extends Json>(key: string, ttlMs: number, load: () => Promise<T>): Promise<T>;
  /** On the first sign that it is wrong. */
  drop(key: string): Promise<void>;
  /** False while the backend cannot be reached. */
  healthy(): boolean;
  close(): Promise<void>;
}
