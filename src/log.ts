/** The log: one JSON object per line, or one readable line, and never a secret in either. The only door to pino. */
import { pino, stdSerializers, stdTimeFunctions } from "pino";
import { lineWriter } from "./log/lines.ts";
import { createRedactor } from "./log/redact.ts";
import { inert } from "./model.ts";
import type { Observation, Observer } from "./ports/observe.ts";

export type LoggerLevel = "debug" | "info" | "warn" | "error" | "silent";

export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Writes at most one line for each observation. */
  observer: Observer;
  /** Lines that could not be written. */
  dropped(): number;
  /** The text without secrets and without credentials of a known form. */
  redact(text: string): string;
}

export interface LoggerOptions {
  level: LoggerLevel;
  /** Resolved secrets, tokens and passwords of the configuration. */
  secrets: readonly string[];
  /** For people: `09:00:00 info  message key=value` (UTC) instead of JSON. */
  pretty: boolean;
  /** Standard error when absent. What throws has dropped the line. */
  destination?: { write(line: string): unknown };
}

/** A slower write delays all that follow. */
const STORE_SLOW_MS = 1_000;

export function createLogger(options: LoggerOptions): Logger {
  const redact = createRedactor(options.secrets);
  const out = countDrops(options.destination ?? lineWriter(), (fields) => {
    return `${options.pretty ? readableLine(fields) : inert(JSON.stringify(fields))}\n`;
  });
  const write = (line: string) => {
    // The finished line is redacted, so that no field is missed; as data, so that the line stays JSON.
    out.write(redact.value(JSON.parse(line)) as Record<string, unknown>);
  };
  const logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: "message",
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: stdSerializers.errWithCause },
    },
    { write },
  );
  const log: Logger = {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
    observer(observation) {
      const line = lineOf(observation);
      if (line && logger.isLevelEnabled(line.level)) log[line.level](line.message, line.fields);
    },
    dropped: out.dropped,
    redact: redact.text,
  };
  return log;
}

/** A log that cannot be written must not end what it tells of: the lines are counted, and the first that gets through again says how many. */
function countDrops(
  destination: { write(line: string): unknown },
  lineOf: (fields: Record<string, unknown>) => string,
): { write(fields: Record<string, unknown>): void; dropped(): number } {
  let dropped = 0;
  let untold = 0;
  return {
    write(fields) {
      try {
        if (untold > 0) {
          const message = "Lines of this log were dropped, they could not be written";
          destination.write(lineOf({ level: "warn", time: fields.time, message, lines: untold }));
          untold = 0;
        }
        destination.write(lineOf(fields));
      } catch {
        dropped += 1;
        untold += 1;
      }
    },
    dropped: () => dropped,
  };
}

interface LogLine {
  level: "debug" | "info" | "warn" | "error";
  message: string;
  fields: LogFields;
}

function lineOf(observation: Observation): LogLine | undefined {
  const { kind: _, ...fields } = observation;
  switch (observation.kind) {
    case "received":
      return { ...receivedLine(observation), fields };
    case "decided":
      if (observation.problems.length > 0) return { level: "warn", message: "Event decided with problems", fields };
      return { level: "debug", message: "Event decided", fields };
    case "attempted":
      return { ...attemptedLine(observation), fields };
    case "fired":
      return { level: "debug", message: "Timer fired", fields };
    case "stored":
      return observation.ms < STORE_SLOW_MS ? undefined : { level: "warn", message: "Store is slow", fields };
    case "policy":
      if (observation.ok) return { level: "info", message: "Policy loaded", fields };
      return { level: "error", message: "Policy rejected, the last good one stays", fields };
    case "cache":
      if (observation.ok) return { level: "info", message: "Cache reached", fields };
      return { level: "warn", message: "Cache not reached, work goes on without it", fields };
    case "fault":
      return { level: "error", message: "Fault", fields: { where: observation.where, detail: observation.message } };
  }
}

function receivedLine({ status, duplicate }: Extract<Observation, { kind: "received" }>): Omit<LogLine, "fields"> {
  if (status >= 500) return { level: "error", message: "Request failed" };
  // One of a flood: what there is to know was said of those before it.
  if (status === 429) return { level: "debug", message: "Request refused" };
  if (status >= 400) return { level: "warn", message: "Request refused" };
  return { level: "debug", message: duplicate ? "Event received again" : "Event received" };
}

function attemptedLine({ outcome, dead }: Extract<Observation, { kind: "attempted" }>): Omit<LogLine, "fields"> {
  if (dead) return { level: "error", message: "Delivery is dead" };
  switch (outcome) {
    case "done":
      return { level: "info", message: "Delivery done" };
    case "retry":
      return { level: "info", message: "Delivery is tried again" };
    case "rejected":
      return { level: "warn", message: "Delivery rejected" };
    case "uncertain":
      return { level: "warn", message: "Delivery is uncertain" };
  }
}

function readableLine(line: Record<string, unknown>): string {
  const { time, level, message, ...fields } = line;
  const pairs = Object.entries(fields).map(([name, value]) => `${inert(name)}=${valueText(value)}`);
  const head = `${String(time).slice(11, 19)} ${String(level).padEnd(5)} ${inert(String(message ?? ""))}`;
  return [head, ...pairs].join(" ");
}

function valueText(value: unknown): string {
  if (typeof value === "string") return /^[^\s"'=\\]+$/.test(value) ? inert(value) : inert(JSON.stringify(value));
  if (isError(value)) return inert(JSON.stringify(`${value.type}: ${value.message}`));
  return inert(JSON.stringify(value));
}

function isError(value: unknown): value is { type: string; message: string } {
  return typeof value === "object" && value !== null && "type" in value && "message" in value && "stack" in value;
}
