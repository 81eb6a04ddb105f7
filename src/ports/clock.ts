/** Time. Everything that waits, waits here, so that tests and rehearsals can set it. */

export interface Clock {
  /** Wall time, in milliseconds since the epoch: for what is stored. It may jump when the machine's clock is set. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back: for what is measured and waited for. */
  monotonic(): number;
  /** Resolves after that many milliseconds, or at once when the signal aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
