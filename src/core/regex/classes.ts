/** Sets of characters as RE2 has them. JavaScript's tables of Unicode are asked; what negation and letter case mean is decided here. */

/** Whether a character, one code point, belongs to a set. */
export type CharTest = (char: string) => boolean;

/** A part of a set: what JavaScript writes between [ and ], or everything but that. */
export interface ClassPart {
  source: string;
  negated: boolean;
}

/** https://github.com/google/re2/wiki/Syntax: ASCII only, and \s without the vertical tab. */
export const PERL_CLASSES: Readonly<Record<string, string>> = { d: "0-9", s: "\\t\\n\\f\\r ", w: "0-9A-Za-z_" };

export const POSIX_CLASSES: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\0-\\x7f",
  blank: "\\t ",
  cntrl: "\\0-\\x1f\\x7f",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-\\/:-@\\[-`\\{-~",
  space: "\\t-\\r ",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
};

/** The general categories that RE2 has by these names; the others of JavaScript are not among them. */
const CATEGORY = /^(?:C[cfos]|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?|Any)$/;

/** What stands between [ and ] for the property, or undefined when RE2 has none of that name. */
export function propertySource(name: string): string | undefined {
  // Unassigned characters are no part of RE2's C, but of JavaScript's.
  if (name === "C") return "\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}";
  if (CATEGORY.test(name)) return `\\p{${name}}`;
  const script = `\\p{Script=${name}}`;
  try {
    return /^[A-Z]\w+$/.test(name) && new RegExp(script, "u") ? script : undefined;
  } catch {
    return undefined;
  }
}

export const rangeSource = (from: number, to = from): string => `\\u{${from.toString(16)}}-\\u{${to.toString(16)}}`;

/** Without regard to case, a negated part is everything but the letters of its own in either case, as RE2 has it. */
export function classTest(parts: readonly ClassPart[], negated: boolean, foldCase: boolean): CharTest {
  const [listed, others] = [false, true].map((wanted) =>
    parts.filter((part) => part.negated === wanted).map(({ source }) => source),
  ) as [string[], string[]];
  // Made when a character first asks: most parts of most patterns are never reached.
  let sets: { some: RegExp[]; all: RegExp[] } | undefined;
  const regexp = (source: string) => new RegExp(`^[${source}]$`, foldCase ? "iu" : "u");
  return remembered((char) => {
    sets ??= { some: listed.length === 0 ? [] : [regexp(listed.join(""))], all: others.map(regexp) };
    return (sets.some.some((set) => set.test(char)) || sets.all.some((set) => !set.test(char))) !== negated;
  });
}

/** Most characters of most texts are ASCII, and reading a table is ten times as fast as asking a regular expression. */
function remembered(test: CharTest): CharTest {
  let answers: Int8Array | undefined;
  return (char) => {
    const code = char.charCodeAt(0);
    if (code >= 128) return test(char);
    answers ??= new Int8Array(128);
    if (answers[code] === 0) answers[code] = test(char) ? 1 : -1;
    return answers[code] === 1;
  };
}
