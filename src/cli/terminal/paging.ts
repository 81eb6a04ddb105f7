/** Paging, the same in all listings. */
import { type Flag, numberOf, type Options, textOf } from "../command.ts";
import { counted } from "./output.ts";

const LIMIT = 20;
const LIMIT_MAX = 200;

export const PAGE_FLAGS: readonly Flag[] = [
  { flags: "--limit <n>", about: `how many, default ${LIMIT}, at most ${LIMIT_MAX}` },
  { flags: "--cursor <cursor>", about: "start of the next page, printed at the end of the last one" },
];

export function pageOf(options: Options): { limit: number; cursor?: string } {
  const cursor = textOf(options, "cursor");
  const limit = numberOf(options, "limit", { min: 1, max: LIMIT_MAX, standard: LIMIT });
  return { limit, ...(cursor === undefined ? {} : { cursor }) };
}

/** `20 events, more: --cursor …`. */
export function pageEnd(count: number, noun: string, cursor?: string, plural?: string): string {
  return `${counted(count, noun, plural)}${cursor === undefined ? "" : `, more: --cursor ${cursor}`}\n`;
}
