/** Prints what an event caused and what it would cause today: lines with `-` and `+`, one per effect. */
import {
  cutText,
  type Explanation,
  type Json,
  type JsonObject,
  type RuleChange,
  type RuleEffect,
} from "../../model.ts";
import type { Screen } from "./describe.ts";
import { aligned, counted, safe } from "./output.ts";

const LINES_MAX = 20;
const PARAMS_CHARS_MAX = 60;
/** How many characters are kept before the first difference. */
const LEAD_CHARS = 12;

type MatchOutcome = RuleChange["was"]["outcome"];

const THEN: Record<MatchOutcome, string> = {
  matched: "",
  observed: "only observed then",
  missed: "did not match then",
  unasked: "was for other event types then",
  absent: "was not there then",
};

const NOW: Record<MatchOutcome, string> = {
  matched: "",
  observed: "only observed now",
  missed: "does not match now",
  unasked: "is for other event types now",
  absent: "is gone",
};

/** One line when it would be the same, else a line per effect, at most 20 unless `all`. Ends with a newline. */
export function renderChanges(
  { policy, complete, rules }: NonNullable<Explanation["changes"]>,
  decider: string,
  screen: Screen,
  { all = false }: { all?: boolean },
): string {
  const { paint } = screen;
  const rows = rules.flatMap((change) => rowsOf(change, screen));
  const visibleRows = all ? rows : rows.slice(0, LINES_MAX);
  const verdict = rules.length > 0 ? "would differ" : "would be the same";
  const gone = `the rules of ${decider.slice(0, 8)} are gone or no longer load: only the recorded matches can be compared`;
  return [
    `policy now ${policy.slice(0, 8)}: today the outcome ${verdict}\n`,
    complete ? "" : paint.dim(`  ${gone}\n`),
    aligned(visibleRows, "  "),
    rows.length > visibleRows.length
      ? paint.dim(`  ${counted(rows.length - visibleRows.length, "more line")}: --all\n`)
      : "",
  ].join("");
}

/** Rows of three cells: sign and rule, effect, note. */
function rowsOf({ rule, place, was, now }: RuleChange, { paint }: Screen): string[][] {
  const hasSameResult = was.outcome === now.outcome && was.items === now.items;
  const where = place ? `${place.file}:${place.line}` : "";
  const [lostTexts, gainedTexts] = [textsOf(was, now, hasSameResult), textsOf(now, was, hasSameResult)];
  const hasOutcomeChanged = was.outcome !== now.outcome;
  const about = (words: string, at: string) =>
    paint.dim([hasOutcomeChanged ? words : "", at].filter(Boolean).join("  "));
  return [
    ...lostTexts.map((text, i) => [
      paint.red(`- ${rule}`),
      text,
      // The `+` lines below carry the note.
      i > 0
        ? ""
        : gainedTexts.length > 0
          ? about(was.outcome === "observed" ? THEN.observed : "", "")
          : about(NOW[now.outcome], where),
    ]),
    ...gainedTexts.map((text, i) => [
      paint.green(`+ ${rule}`),
      text,
      i > 0 ? "" : about(now.outcome === "observed" ? NOW.observed : THEN[was.outcome], where),
    ]),
  ];
}

type RuleResult = RuleChange["was"];

function textsOf(end: RuleResult, other: RuleResult, hasSameResult: boolean): string[] {
  if (end.effects.length > 0) return end.effects.map((effect) => effectText(effect, twinOf(effect, end, other)));
  const hasActed = end.outcome === "matched" || end.outcome === "observed";
  return hasActed && !hasSameResult ? [`${end.outcome}, ${counted(end.items, "item")}`] : [];
}

/** The same action or signal in the other result: then only the difference is shown. */
function twinOf(effect: RuleEffect, { effects }: RuleResult, other: RuleResult): RuleEffect | undefined {
  const name = effectName(effect);
  const nth = effects.filter((one) => effectName(one) === name).indexOf(effect);
  return other.effects.filter((one) => effectName(one) === name)[nth];
}

function effectName(effect: RuleEffect): string {
  if ("action" in effect) return effect.action;
  return "code" in effect ? `✗ ${effect.code}` : `${effect.machine}/${effect.key} ${effect.signal}`;
}

function effectText(effect: RuleEffect, twin: RuleEffect | undefined): string {
  const name = safe(effectName(effect));
  if ("code" in effect) return `${name} ${safe(effect.message)}`;
  const others = twin && "params" in twin ? twin.params : undefined;
  const isMachineChanged =
    "machine" in effect && twin && "machine" in twin && twin.definition !== effect.definition && twin.definition;
  const machine = isMachineChanged ? ` (${effect.machine} as of ${String(effect.definition).slice(0, 8)})` : "";
  return `${name}${machine} ${paramsText(effect.params, others)}`.trimEnd();
}

/** `channel #deploys, text WEB-17 is merged`; compared with `others` only the values that differ, from the first difference. */
function paramsText(params: JsonObject, others: JsonObject | undefined): string {
  const parts = Object.entries(params).flatMap(([key, value]) => {
    const other = others?.[key];
    if (other === undefined) return [`${key} ${valueText(value)}`];
    if (JSON.stringify(value) === JSON.stringify(other)) return [];
    return [`${key} ${fromDifference(valueText(value), valueText(other))}`];
  });
  return safe(cutText(parts.join(", "), PARAMS_CHARS_MAX));
}

function valueText(value: Json): string {
  return typeof value === "string" && value !== "" ? value : JSON.stringify(value);
}

function fromDifference(text: string, other: string): string {
  let at = 0;
  while (at < text.length && text[at] === other[at]) at += 1;
  return at > 2 * LEAD_CHARS ? `…${text.slice(at - LEAD_CHARS)}` : text;
}
