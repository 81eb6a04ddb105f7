/** The closed table of problems a person can meet. A code is stable and never reused; docs/errors.md is tested against it. */

export interface ErrorRow {
  /** One sentence: what it means. */
  title: string;
  /** What to do about it. */
  help: string;
  /** HTTP status when it answers a request. */
  status?: number;
}

/**
 * SB00xx YAML · SB01xx schema · SB02xx references · SB03xx semantics · SB04xx runtime policy · SB05xx verification ·
 * SB06xx actions · SB07xx storage · SB09xx command line and API.
 */
export const ERRORS = {
  SB0001: { title: "A file is not readable YAML", help: "Fix the syntax at the marked place" },
  SB0002: { title: "A key stands twice in one mapping", help: "Keep one of them; the other would be lost silently" },
  SB0003: { title: "A file or folder cannot be read", help: "Check that it exists and that the process may read it" },
  SB0101: { title: "A key is not known here", help: "Remove it or use the suggested name" },
  SB0102: { title: "A value has the wrong form", help: "Write a value of the form that the message names" },
  SB0103: { title: "A required key is missing", help: "Add the key that the message names" },
  SB0104: {
    title: "An event pattern is not well formed",
    help: "See docs/patterns.md for the operators and their forms",
  },
  SB0105: { title: "A CEL expression does not parse", help: "Fix the expression at the marked place" },
  SB0106: {
    title: "A template does not parse or uses something it may not",
    help: "Use {{path}} and the helpers listed in docs/templates.md",
  },
  SB0107: { title: "A duration has the wrong form", help: "Write 90s, 15m, 1h30m or P3D" },
  SB0108: { title: "A limit is exceeded", help: "Stay below the limit that the message names" },
  SB0201: { title: "A transition leads to a state that does not exist", help: "Use the id of a state of this machine" },
  SB0202: { title: "A rule names a machine that does not exist", help: "Use the name of a file in statemachines/" },
  SB0203: { title: "An action is not known", help: "Write connection.action with a connection from signalbox.yaml" },
  SB0204: { title: "A template file does not exist", help: "Put it into rules/templates/ or correct the name" },
  SB0205: { title: "Two rules have the same id", help: "Give each rule its own id" },
  SB0206: { title: "A provider is not known", help: "Use one of the providers that `signalbox providers` lists" },
  SB0207: {
    title: "A secret cannot be resolved",
    help: "Set the environment variable or create the file it refers to",
  },
  SB0208: {
    title: "A secret stands in the file itself",
    help: "Write env:NAME or file:/path and keep the value out of the file",
  },
  SB0209: { title: "Two sources claim the same path", help: "Give each source its own path" },
  SB0210: { title: "An environment variable in ${…} is not set", help: "Set it, or give a default: ${NAME:-default}" },
  SB0211: {
    title: "A secret is not fit for use",
    help: "Make one with openssl rand -hex 32, another for each source, and give the sender the same one",
  },
  SB0301: { title: "A rule does nothing", help: "Give it a send or a do" },
  SB0302: { title: "A machine is not well formed", help: "See docs/machines.md for what a machine file may hold" },
  SB0303: {
    title: "A rule sends a signal that its machine never takes",
    help: "Use one of the machine's signals, or give a state a transition for it",
  },
  SB0310: {
    title: "A condition is never met, so that a rule or a branch of it never matches",
    help: "Correct the condition, or remove what can never match",
  },
  SB0311: {
    title: "Two conditions contradict each other",
    help: "Keep one of them, or write them as branches of $or",
  },
  SB0312: {
    title: "A rule is never asked, because an earlier one stops before it",
    help: "Put it before the rule that stops, or let that rule match less",
  },
  SB0313: {
    title: "A condition names a field that no known event has",
    help: "Compare the name with an event: signalbox events show",
  },
  SB0314: {
    title: "A condition asks for a value that no known event has",
    help: "Compare the value with an event: signalbox events show",
  },
  SB0315: {
    title: "A field is named twice, and its value must meet both",
    help: "Say both in one condition, or in when; or keep one of them",
  },
  SB0320: {
    title: "No transition leads to a state",
    help: "Give some transition this state as its target, or remove it",
  },
  SB0321: {
    title: "A state has no outgoing transition",
    help: "Make it final, or give it a way out",
  },
  SB0322: {
    title: "From a state no final state can be reached",
    help: "Give it, or a state that it leads to, a way to a final state",
  },
  SB0323: {
    title: "A state waits without an end",
    help: "Give it, or a state around it, an after",
  },
  SB0324: {
    title: "Transitions follow each other without end",
    help: "Give one of them a guard",
  },
  SB0325: {
    title: "A guard never holds",
    help: "Correct the guard, or remove the transition",
  },
  SB0326: {
    title: "No rule sends a signal that a machine waits for",
    help: "Let a rule send it, or name it under manual when people send it by hand",
  },
  SB0327: {
    title: "A call has no onError",
    help: "Give the invoke an onError",
  },
  SB0328: {
    title: "A transition is never taken because of one before it",
    help: "Change their order, or give the first one a guard",
  },
  SB0329: {
    title: "A key of the context is read and never assigned",
    help: "Give it a value under context, or use the name of a key that has one",
  },
  SB0401: {
    title: "A reload was rejected and the last good policy stays",
    help: "Fix the problems that are listed and save again",
  },
  SB0402: {
    title: "A condition or template could not be evaluated",
    help: "Test for the value with exists or has() before using it",
  },
  SB0403: {
    title: "A chain of events that cause each other was cut",
    help: "Break the loop: the rule reacts to what it causes",
  },
  SB0404: {
    title: "A signal changed nothing",
    help: "See the reason; states that accept the signal are listed by explain",
  },
  SB0405: {
    title: "A machine's step failed and the instance is unchanged",
    help: "See the reason; correct the machine and redeliver the event",
  },
  SB0406: {
    title: "A call failed and no onError handles it, so the instance has ended in error",
    help: "Give the invoke an onError that leads somewhere",
  },
  SB0407: {
    title: "An instance could not migrate to the new definition of its machine",
    help: "Say under migrate in the machine's file where its state went or what its context becomes",
  },
  SB0501: { title: "No source has this path", help: "Check the URL against the paths that serve prints", status: 404 },
  SB0502: { title: "A sender must use POST", help: "Send the event with POST", status: 405 },
  SB0503: {
    title: "The signature is missing or wrong",
    help: "Compare the secret on both sides; signalbox send shows a correct request",
    status: 401,
  },
  SB0504: {
    title: "The body is larger than the source allows",
    help: "Raise maxBody on the source, at most 25 MiB",
    status: 413,
  },
  SB0505: {
    title: "The content type or encoding is not one this source takes",
    help: "Send application/json, or what the provider documents, as it is or with Content-Encoding: gzip",
    status: 415,
  },
  SB0506: {
    title: "The signature is right but the body cannot be read",
    help: "Send a JSON object; the delivery is recorded under refusals",
    status: 400,
  },
  SB0507: { title: "The server is overloaded", help: "Send again after the time in Retry-After", status: 503 },
  SB0508: { title: "The body did not arrive in time", help: "Send the whole request at once", status: 408 },
  SB0509: {
    title: "Too many requests from here were refused",
    help: "Compare the secret on both sides; requests with a right signature are taken all the time",
    status: 429,
  },
  SB0601: {
    title: "An action's parameters do not fit its schema",
    help: "See the action's parameters in docs/providers.md",
  },
  SB0602: {
    title: "The provider refused the action",
    help: "See the answer; correct the cause, then signalbox deliveries retry",
  },
  SB0603: {
    title: "An action was tried as often as allowed",
    help: "When the provider works again: signalbox deliveries retry",
  },
  SB0604: {
    title: "A request to a private address was refused",
    help: "Set allowPrivate: true on the connection if that is meant",
  },
  SB0605: {
    title: "The provider could not be reached or did not answer in time",
    help: "It is tried again; check the connection's url",
  },
  SB0701: { title: "The store cannot be opened", help: "Check the path, the permissions and the disk" },
  SB0702: { title: "The store was written by a newer version", help: "Run that version, or restore a backup" },
  SB0703: {
    title: "The cache cannot be reached; work goes on without it, slower",
    help: "Check redis:// in signalbox.yaml",
  },
  SB0901: { title: "The command line was not understood", help: "See signalbox --help" },
  SB0902: {
    title: "The server cannot be reached",
    help: "Start it with signalbox serve, or name it: --url takes its admin address; for send, --to takes the address it receives at",
    status: 502,
  },
  SB0903: { title: "The request needs a valid token", help: "Create one with signalbox token create", status: 401 },
  SB0904: {
    title: "The token does not allow this",
    help: "Use a token with the scope that the message names",
    status: 403,
  },
  SB0905: { title: "The named thing does not exist", help: "List what exists and copy the id from there", status: 404 },
  SB0906: {
    title: "The state of the thing does not allow this",
    help: "See the message for the state it is in",
    status: 409,
  },
  SB0907: {
    title: "The request is not well formed",
    help: "See the OpenAPI document at /api/v1/openapi.json",
    status: 400,
  },
  SB0908: {
    title: "The admin listener would be open to others without authentication",
    help: "Bind it to 127.0.0.1, or create a token first: signalbox token create",
    status: 500,
  },
  SB0909: { title: "An address is already in use", help: "Stop the other process or choose another port" },
  SB0910: {
    title: "Something went wrong inside Signalbox",
    help: "Report it with the x-api-uuid of the answer",
    status: 500,
  },
  SB0911: {
    title: "The API does not know this method here",
    help: "Use one of the methods that the Allow header names",
    status: 405,
  },
  SB0912: {
    title: "The API takes JSON",
    help: "Send the body uncompressed with Content-Type: application/json",
    status: 415,
  },
  SB0913: {
    title: "The body is larger than the API takes",
    help: "Send at most 1 MiB",
    status: 413,
  },
  SB0914: {
    title: "The request comes from a foreign page or under a foreign host name",
    help: "Ask for the admin listener as localhost, 127.0.0.1 or [::1], from its own pages or from no page",
    status: 403,
  },
  SB0915: {
    title: "An address cannot be listened on",
    help: "Use an address of this machine, and a port above 1023 unless the process may take lower ones",
  },
  SB0916: {
    title: "A provider of the project cannot be loaded",
    help: "Correct the file in providers/ that the message names, or move it away; signalbox providers check says more",
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** A path inside a document, from the top: keys of mappings and positions in lists. */
export type Path = readonly (string | number)[];

/** A person's mistake in a file: where, what, and what to write instead. Core gives the path; policy.ts adds the place. */
export interface Diagnostic {
  code: ErrorCode;
  severity: "error" | "warning";
  /** Capital letter, quoted values, no full stop, and what would be right. */
  message: string;
  /** Path inside the document, e.g. ["states", "open", "on", "MERGED"]. */
  path?: Path;
  /** Point at the key rather than the value (unknown keys). */
  atKey?: boolean;
  /** Offset inside the string value at `path`, for expressions and templates. */
  offset?: number;
  file?: string;
  line?: number;
  col?: number;
  endCol?: number;
  /** What to write instead. */
  suggestion?: string;
  /** The template file it lies in, when a value that uses the template was read. */
  template?: string;
}

/** A diagnostic, an error unless `more` says otherwise; a suggestion that is undefined is left out. */
export function newDiagnostic(
  code: ErrorCode,
  message: string,
  more: Omit<Partial<Diagnostic>, "suggestion"> & { suggestion?: string | undefined } = {},
): Diagnostic {
  const { suggestion, ...rest } = more;
  return { code, severity: "error", message, ...rest, ...(suggestion === undefined ? {} : { suggestion }) };
}

/** The same for something that is well formed but hardly meant. */
export function newWarning(
  code: ErrorCode,
  message: string,
  more: Parameters<typeof newDiagnostic>[2] = {},
): Diagnostic {
  return newDiagnostic(code, message, { ...more, severity: "warning" });
}

/** A mistake that ends a command or answers a request. Never thrown for data inside core. */
export class SignalboxError extends Error {
  readonly code: ErrorCode;
  readonly problems: readonly Diagnostic[];
  constructor(code: ErrorCode, message: string, options: { cause?: unknown; problems?: readonly Diagnostic[] } = {}) {
    super(message, { cause: options.cause });
    this.name = "SignalboxError";
    this.code = code;
    this.problems = options.problems ?? [];
  }
}

/** The HTTP status that answers a request; 500 where the table has none. */
export function statusOf(code: ErrorCode): number {
  const row: ErrorRow = ERRORS[code];
  return row.status ?? 500;
}

/** The words of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The known name nearest to a misspelt one (edit distance with transpositions), if any is near enough to suggest. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const far = (name.length < 5 ? 1 : Math.max(2, Math.floor(name.length / 3))) + 1;
  let best: string | undefined;
  let bestDistance = far;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours; `limit` when it is that or more. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? limit;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : limit;
      row.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + cost, swap));
    }
  }
  return Math.min(limit, at(a.length, b.length));
}
