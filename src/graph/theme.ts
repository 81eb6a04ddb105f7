/** The colours of a picture. `auto` follows the reader's own choice; no variables, which many viewers of SVG do not know. */

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

type Colours = Readonly<
  Record<"paper" | "box" | "even" | "odd" | "rim" | "name" | "quiet" | "edge" | "error" | "badge" | "onBadge", string>
>;

const LIGHT: Colours = {
  paper: "#ffffff",
  box: "#ffffff",
  even: "#f4f6fa",
  odd: "#e8edf5",
  rim: "#5b6b85",
  name: "#14202e",
  quiet: "#45546b",
  edge: "#6b7a93",
  error: "#b3261e",
  badge: "#1d4ed8",
  onBadge: "#ffffff",
};

const DARK: Colours = {
  paper: "#0f1622",
  box: "#1e2a3c",
  even: "#151f2e",
  odd: "#1a2536",
  rim: "#7f90ac",
  name: "#e8edf5",
  quiet: "#aab6c9",
  edge: "#8493ad",
  error: "#ff8a80",
  badge: "#8fb0ff",
  onBadge: "#0b1220",
};

/** Selectors and what holds for them. */
type Rules = readonly (readonly [selectors: readonly string[], style: string])[];

const SHAPES: Rules = [
  [["rect"], "stroke-width:1.5"],
  [[".dashed"], "stroke-dasharray:6 4"],
  [[".ring"], "fill:none"],
  [[".line"], "fill:none;stroke-width:1.5"],
  [[".timer .line"], "stroke-dasharray:7 4"],
  [[".always .line", ".default .line"], "stroke-dasharray:2 3"],
  [[".paper", ".behind", ".badge"], "stroke:none"],
  [[".name"], "font-size:14px;font-weight:600"],
  [[".count text"], "font-weight:600"],
  [[".middle"], "text-anchor:middle"],
  [[".on-even text", ".on-odd text"], "paint-order:stroke;stroke-width:5px;stroke-linejoin:round"],
];

function coloured({ paper, box, even, odd, rim, name, quiet, edge, error, badge, onBadge }: Colours): Rules {
  return [
    [[".paper", ".behind"], `fill:${paper}`],
    [[".box"], `fill:${box}`],
    [[".even"], `fill:${even}`],
    [[".odd"], `fill:${odd}`],
    [[".box", ".even", ".odd", ".ring"], `stroke:${rim}`],
    [[".on-even text"], `stroke:${even}`],
    [[".on-odd text"], `stroke:${odd}`],
    [["text"], `fill:${name}`],
    [[".quiet"], `fill:${quiet}`],
    [[".line"], `stroke:${edge}`],
    [[".head"], `fill:${edge}`],
    [[".error .line"], `stroke:${error}`],
    [[".error .head"], `fill:${error}`],
    [[".badge"], `fill:${badge}`],
    [[".count text"], `fill:${onBadge}`],
  ];
}

/** Rules that hold inside a picture of this theme only, wherever it is put. */
export function styleOf(theme: Theme): string {
  const within = (rules: Rules) =>
    rules
      .map(([names, style]) => `${names.map((name) => `.signalbox-${theme} ${name}`).join(",")}{${style}}`)
      .join("\n");
  const rules = within([...SHAPES, ...coloured(theme === "dark" ? DARK : LIGHT)]);
  return theme === "auto" ? `${rules}\n@media (prefers-color-scheme:dark){\n${within(coloured(DARK))}\n}` : rules;
}
