/** What a template may cost: its size and nesting before the parser sees it, and the work of one rendering while it is done. */
import { type Json, LIMITS } from "../../model.ts";
import { type RenderBudget, RenderFailure } from "./reading.ts";

/** What has no place in the text that is given need not stand in the template. */
const SOURCE_CHARS_MAX = LIMITS.renderedBytes;
const TAG_CHARS_MAX = 4_096;
/** For some tags the parser copies all that it has read before: with 10,000 of them, 50,000 characters are a second. */
const TAG_CHARS_WORK_MAX = 500_000_000;
/** The parser and what reads its tree call themselves once per level, and the parser looks through all levels again and again. */
const LEVELS_MAX = 100;
/** About half a second on a slow machine, far above what a text for people needs. */
const STEPS_MAX = 500_000;
/** How many characters that are read or written count as one step. */
const CHARS_PER_STEP = 64;

interface SizeProblem {
  message: string;
  offset: number;
}

/** Why a template is not given to the parser, and where; undefined = it may be. */
export function sizeProblem(source: string): SizeProblem | undefined {
  if (source.length > SOURCE_CHARS_MAX)
    return {
      message: `A template has at most ${SOURCE_CHARS_MAX} characters, this one has ${source.length}`,
      offset: 0,
    };
  const starts = [...source.matchAll(/\{\{/g)].map(({ index }) => index);
  const tagsMax = Math.floor(TAG_CHARS_WORK_MAX / Math.max(source.length, 1));
  const offset = starts[tagsMax];
  if (offset !== undefined)
    return { message: `A template of this length has at most ${tagsMax} tags {{ }}, make it several`, offset };
  return longTag(source, starts) ?? tooDeep(source);
}

function longTag(source: string, starts: readonly number[]): SizeProblem | undefined {
  for (const offset of starts) {
    const end = source.indexOf("}}", offset);
    const isComment = /^\{\{~?!/.test(source.slice(offset, offset + 4));
    if (isComment || (end === -1 ? source.length : end) - offset <= TAG_CHARS_MAX) continue;
    return { message: `What stands between {{ and }} has at most ${TAG_CHARS_MAX} characters`, offset };
  }
  return undefined;
}

/** As far as it shows without a parser. */
function tooDeep(source: string): SizeProblem | undefined {
  /** How many levels each open block counts for. */
  const blocks: number[] = [];
  let levels = 0;
  let brackets = 0;
  for (const { 0: token, index: offset } of source.matchAll(/\{\{~?(?:#|\^(?!~?\}\})|\/|else\s+\w|)|\}\}|[()]/g)) {
    const last = token.at(-1) ?? "";
    if (last === "(") brackets += 1;
    else if (last === ")") brackets -= 1;
    else brackets = 0;
    if (last === "/") levels -= blocks.pop() ?? 0;
    if (/[#^\w]/.test(last)) {
      // An {{else if}} is closed together with the block that it belongs to.
      blocks.push(/\w/.test(last) ? (blocks.pop() ?? 0) + 1 : 1);
      levels += 1;
    }
    if (levels > LEVELS_MAX || brackets > LEVELS_MAX)
      return { message: `A template is nested at most ${LEVELS_MAX} levels deep, every {{else if}} counted`, offset };
  }
  return undefined;
}

export function charge(budget: RenderBudget, steps: number): void {
  budget.steps += steps;
  if (budget.steps > STEPS_MAX)
    throw new RenderFailure(`The template needs more than ${STEPS_MAX.toLocaleString("en-US")} steps`);
}

/** Before a text of this length is read or written. */
export function chargeChars(budget: RenderBudget, chars: number): void {
  charge(budget, 1 + chars / CHARS_PER_STEP);
}

/** Before a value is read to the bottom. */
export function chargeWhole(budget: RenderBudget, value: Json | undefined): void {
  chargeChars(budget, typeof value === "string" ? value.length : 0);
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) for (const member of value) chargeWhole(budget, member);
  else
    for (const [key, member] of Object.entries(value)) {
      chargeChars(budget, key.length);
      chargeWhole(budget, member);
    }
}
