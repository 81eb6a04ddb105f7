/** How a command fails: the exit code, the text for people and the document for programs. Never a stack trace. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../clock.ts";
import { ERRORS, type ErrorCode, SignalboxError } from "../../errors.ts";
import { VERSION } from "../../package.ts";
import { ConfigError, document } from "../context.ts";
import type { Shell } from "../shell.ts";
import { diagnosticsJson, renderDiagnostics } from "./diagnostics.ts";
import { type Paint, safe } from "./output.ts";
import { sourceStack } from "./stack.ts";

/** Exit codes; part of the contract. */
export const EXIT = {
  done: 0,
  no: 1,
  usage: 2,
  configuration: 3,
  server: 4,
  missing: 5,
  refused: 6,
  bug: 70,
} as const;

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  SB0901: EXIT.usage,
  SB0902: EXIT.server,
  SB0903: EXIT.server,
  SB0904: EXIT.server,
  SB0905: EXIT.missing,
  SB0906: EXIT.refused,
  SB0907: EXIT.usage,
  SB0908: EXIT.configuration,
  SB0909: EXIT.refused,
  SB0911: EXIT.server,
  SB0912: EXIT.server,
  SB0913: EXIT.usage,
  SB0914: EXIT.server,
  SB0915: EXIT.refused,
  SB0916: EXIT.configuration,
  SB0701: EXIT.configuration,
  SB0702: EXIT.configuration,
};

/** SB00xx to SB04xx: files cannot be loaded. SB05xx and SB06xx: an outside system refused. */
export function exitCodeOf(code: ErrorCode): number {
  const own = BY_CODE[code];
  if (own !== undefined) return own;
  if (/^SB0[0-4]/.test(code)) return EXIT.configuration;
  return /^SB0[56]/.test(code) ? EXIT.no : EXIT.bug;
}

interface FailureStyle {
  json: boolean;
  color: boolean;
  paint: Paint;
}

/** Prints the failure and returns the exit code. */
export function reportFailure(shell: Shell, error: unknown, style: FailureStyle): number {
  if (error instanceof SignalboxError) {
    printError(shell, error, style);
    return exitCodeOf(error.code);
  }
  const file = writeCrashFile(shell, error);
  const message = `Something went wrong inside Signalbox; the details are in ${file}`;
  printError(shell, new SignalboxError("SB0910", message), style);
  return EXIT.bug;
}

function printError(shell: Shell, error: SignalboxError, { json, color, paint }: FailureStyle): void {
  const { code, message, problems } = error;
  const sources = error instanceof ConfigError ? error.fileTexts : new Map<string, string>();
  if (json) {
    const [first] = diagnosticsJson(problems.filter(({ severity }) => severity === "error"));
    const shared = { code, message, hint: ERRORS[code].help, docs: `docs/errors.md#${code.toLowerCase()}` };
    const list = problems.length > 0 ? { problems: diagnosticsJson(problems) } : {};
    shell.out(document("Error", { error: { ...first, ...shared, ...list } }));
    return;
  }
  if (problems.length > 0) {
    shell.err(renderDiagnostics(problems, { fileTexts: sources, color }));
    if (!problems.some((problem) => problem.message === message)) shell.err(`\n${safe(message)}\n`);
    return;
  }
  const lines = message.split("\n").map(safe);
  const help = code === "SB0901" || code === "SB0910" ? "" : `\n  ${paint.blue("=")} help: ${ERRORS[code].help}`;
  shell.err(`${paint.red(`error[${code}]`)}${paint.bold(`: ${lines.join("\n  ")}`)}${help}\n`);
}

/** Writes the details to a file and returns its name; without a file they are printed. */
function writeCrashFile(shell: Shell, error: unknown): string {
  const text = [
    `signalbox ${VERSION}, node ${shell.nodeVersion}, ${shell.platform}`,
    `command: ${shell.argv.join(" ")}`,
    "",
    error instanceof Error ? sourceStack(error.stack ?? error.message) : String(error),
    ...(error instanceof Error && error.cause ? ["", "caused by", String(error.cause)] : []),
  ].join("\n");
  const file = join(shell.tempDir, `signalbox-failure-${shell.pid}-${systemClock.now()}.txt`);
  try {
    // Exclusively: whoever else may write there could have left a link to a file of ours under the name.
    writeFileSync(file, `${text}\n`, { mode: 0o600, flag: "wx" });
    return file;
  } catch {
    shell.err(`${text}\n`);
    return "the lines above";
  }
}
