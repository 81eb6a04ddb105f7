/** What the parts of a template share while they are read and while they are rendered. */
import { type Diagnostic, newDiagnostic } from "../../errors.ts";
import type { Valued } from "../helpers.ts";
import type { Loc, ProgramNode } from "./syntax.ts";

/** Why a rendering ended, in a sentence. Thrown and caught inside core/render only. */
export class RenderFailure extends Error {}

/** What one rendering has cost so far. */
export interface RenderBudget {
  steps: number;
}

/** The place a template looks from: `each` and `with` push one. */
export interface Frame {
  value: unknown;
  parent: Frame | undefined;
  names: Readonly<Record<string, unknown>>;
  budget: RenderBudget;
}

/** The value, or undefined when it is missing and that is allowed; throws RenderFailure otherwise. */
export type ReadValue = (frame: Frame) => Valued;

export const MISSING: Valued = { value: undefined, own: false };

/** What one walk over a template collects. */
export interface TemplatePass {
  source: string;
  /** The syntax tree of a template file, or undefined when it is not there or does not parse. */
  partial(name: string): { source: string; program: ProgramNode } | undefined;
  partialNames: Iterable<string>;
  diagnostics: Diagnostic[];
  reads: Set<string>;
  nodes: number;
  /** Template files that are being read, outermost first. */
  inside: readonly string[];
  /** Where in the outermost text the innermost file was named. */
  calledAt?: () => number;
}

/** Static counterpart of a frame: the dotted path it stands for, when known, and the names that block parameters give. */
export interface Level {
  path: string | undefined;
  root: boolean;
  parent: Level | undefined;
  names: ReadonlyMap<string, string | undefined>;
}

/** Finding the place of one takes a walk over the text, and nobody reads more. */
const DIAGNOSTICS_MAX = 100;

/** Adds a diagnostic: at its offset in the text, or by line when it lies in a template file. */
export function addDiagnostic(pass: TemplatePass, loc: Loc, message: string, suggestion?: string): void {
  if (pass.diagnostics.length >= DIAGNOSTICS_MAX) return;
  const file = pass.inside.at(-1);
  pass.diagnostics.push(
    file === undefined
      ? newDiagnostic("SB0106", message, { offset: offsetOf(pass.source, loc), suggestion })
      : newDiagnostic("SB0106", `In template "${file}", line ${loc.start.line}: ${message}`, {
          offset: pass.calledAt?.() ?? 0,
          suggestion,
          template: file,
        }),
  );
}

/** Where a node starts in its text. */
export function offsetOf(source: string, { start }: Loc): number {
  const before = source.split("\n").slice(0, start.line - 1);
  return before.reduce((sum, line) => sum + line.length + 1, start.column);
}
