/** What an event caused when it was decided, beside what it would cause today: `-` and `+`, a line per effect. */
import type { Explanation, Json, JsonObject, RuleChange, RuleEffect } from "../../model.ts";
import type { Screen } from "./describe.ts";
import { aligned, counted, cut, safe } from "./output.ts";

const LINES_MAX = 20;
const PARAMS_CHARS_MAX = 60;
/** How much of two equal beginnings is shown. */
const LEAD_CHARS = 12;

type Outcome = RuleChange["was"]["outcome"];

const THEN: Record<Outcome, string> = {
  matched: "",
  observed: "only observed then",
  missed: "did not match then",
  unasked: "was for other event types then",
  absent: "was not there then",
};

const NOW: Record<Outcome, string> = {
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
  const shown = all ? rows : rows.slice(0, LINES_MAX);
  const verdict = rules.length > 0 ? "would differ" : "would be the same";
  const gone = `the rules of ${decider.slice(0, 8)} are gone or no longer load: only the recorded matches can be compared`;
  return [
    `policy now ${policy.slice(0, 8)}: today the outcome ${verdict}\n`,
    complete ? "" : paint.dim(`  ${gone}\n`),
    aligned(shown, "  "),
    rows.length > shown.length ? paint.dim(`  ${counted(rows.length - shown.length, "more line")}: --all\n`) : "",
  ].join("");
}

/** Sign and rule, what is done, what is to be said of it. */
function rowsOf({ rule, place, was, now }: RuleChange, { paint }: Screen): string[][] {
  const isSame = was.outcome === now.outcome && was.items === now.items;
  const where = place ? `${place.file}:${place.line}` : "";
  const [lost, gained] = [textsOf(was, now, isSame), textsOf(now, was, isSame)];
  const isOther = was.outcome !== now.outcome;
  const about = (words: string, at: string) => paint.dim([isOther ? words : "", at].filter(Boolean).join("  "));
  return [
    ...lost.map((text, i) => [
      paint.red(`- ${rule}`),
      text,
      // What there is now says more, and stands below.
      i > 0
        ? ""
        : gained.length > 0
          ? about(was.outcome === "observed" ? THEN.observed : "", "")
          : about(NOW[now.outcome], where),
    ]),
    ...gained.map((text, i) => [
      paint.green(`+ ${rule}`),
      text,
      i > 0 ? "" : about(now.outcome === "observed" ? NOW.observed : THEN[was.outcome], where),
    ]),
  ];
}

type End = RuleChange["was"];

function textsOf(end: End, other: End, isSame: boolean): string[] {
  if (end.effects.length > 0) return end.effects.map((effect) => effectText(effect, twinOf(effect, end, other)));
  const hasActed = end.outcome === "matched" || end.outcome === "observed";
  return hasActed && !isSame ? [`${end.outcome}, ${counted(end.items, "item")}`] : [];
}

/** The same action or signal on the other side, if there is one: then only what differs need be shown. */
function twinOf(effect: RuleEffect, { effects }: End, other: End): RuleEffect | undefined {
  const name = nameOf(effect);
  const nth = effects.filter((one) => nameOf(one) === name).indexOf(effect);
  return other.effects.filter((one) => nameOf(one) === name)[nth];
}

function nameOf(effect: RuleEffect): string {
  if ("action" in effect) return effect.action;
  return "code" in effect ? `✗ ${effect.code}` : `${effect.machine}/${effect.key} ${effect.signal}`;
}

function effectText(effect: RuleEffect, twin: RuleEffect | undefined): string {
  const name = safe(nameOf(effect));
  if ("code" in effect) return `${name} ${safe(effect.message)}`;
  const others = twin && "params" in twin ? twin.params : undefined;
  const isMachineChanged =
    "machine" in effect && twin && "machine" in twin && twin.definition !== effect.definition && twin.definition;
  const machine = isMachineChanged ? ` (${effect.machine} as of ${String(effect.definition).slice(0, 8)})` : "";
  return `${name}${machine} ${paramsText(effect.params, others)}`.trimEnd();
}

/** `channel #deploys, text WEB-17 is merged`; beside others only what differs, from where it does. */
function paramsText(params: JsonObject, others: JsonObject | undefined): string {
  const parts = Object.entries(params).flatMap(([key, value]) => {
    const other = others?.[key];
    if (other === undefined) return [`${key} ${valueText(value)}`];
    if (JSON.stringify(value) === JSON.stringify(other)) return [];
    return [`${key} ${fromDifference(valueText(value), valueText(other))}`];
  });
  return safe(cut(parts.join(", "), PARAMS_CHARS_MAX));
}

function valueText(value: Json): string {
  return typeof value === "string" && value !== "" ? value : JSON.stringify(value);
}

function fromDifference(text: string, other: string): string {
  let at = 0;
  while (at < text.length && text[at] === other[at]) at += 1;
  return at > 2 * LEAD_CHARS ? `…${text.slice(at - LEAD_CHARS)}` : text;
}
