/** Time. Everything that waits, waits here, so that tests and simulations can set it. */

/** Time, and nothing else. Everything that waits, waits here, so that tests and simulations can wind it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after that many milliseconds, or at once when the signal aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
