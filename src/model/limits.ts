/** All limits of Signalbox in one place. */

/** Every limit with its reason. Past one: a clear refusal, nothing lost. */
export const LIMITS = {
  /** GitHub's documented cap is 25 MB, ordinary deliveries stay far below 1 MiB; a source may raise it to 25 MiB. */
  bodyBytes: 1024 * 1024,
  bodyBytesMax: 25 * 1024 * 1024,
  /**
   * Bodies in memory, as they arrived. Of what their JSON becomes, a quarter as much is for those that are read and stored, and a quarter for
   * events that wait to be decided. Past it requests wait for room, senders are asked to come again, and events are read from the log.
   */
  undecidedBytes: 64 * 1024 * 1024,
  /** What one body may become: a few values for each of the bytes of the largest that GitHub sends. */
  bodyValueBytes: 128 * 1024 * 1024,
  /** Longer names are never a vendor's; they would become index keys. */
  eventNameChars: 256,
  rules: 100_000,
  conditionsPerRule: 1_000,
  /** Of forEach in one decision, which is one transaction; the items beyond go on in decisions of their own. */
  forEachItems: 100,
  machineStates: 2_000,
  /** A machine that needs more for one signal is looping. */
  microsteps: 100,
  contextBytes: 64 * 1024,
  renderedBytes: 256 * 1024,
  attempts: 12,
  /** One attempt with all its requests; shorter than the lease, so that nobody else takes the delivery meanwhile. */
  attemptMs: 25_000,
  attemptsWindowMs: 24 * 3_600_000,
  timerMs: 400 * 24 * 3_600_000,
  /** JSON objects in the array of one request. A sender that collects more sends parts. */
  batchItems: 1_000,
  /** Events caused by our own deliveries count up; past it the loop is cut and reported. */
  causalChain: 16,
  /** Events that one event caused, directly and over others; past it nothing more comes of it, and that is reported. */
  causedEvents: 10_000,
  /**
   * Refused requests of one sender that are answered in full and written down, at once and then per minute: enough to see what is wrong with
   * a secret, too few to be felt. Of all senders to one source together, more are not written down.
   */
  refusals: 20,
  refusalsOfSource: 60,
  /** Tickets found in one event; more is a release note, not a change. */
  tickets: 20,
  jsonDepth: 200,
} as const;

/** How what an event tells of ended, in one vocabulary for all senders. */
export const STATUSES = ["success", "failure", "pending", "error", "cancelled", "skipped", "neutral"] as const;

/** Words of other systems for a status that mean the same wherever they are used. */
export const STATUS_WORDS: Readonly<Record<string, (typeof STATUSES)[number]>> = {
  passed: "success",
  succeeded: "success",
  failed: "failure",
  errored: "error",
  canceled: "cancelled",
  aborted: "cancelled",
  queued: "pending",
  running: "pending",
  in_progress: "pending",
};
