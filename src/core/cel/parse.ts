/** The only door to the CEL library: it reads expressions; what they mean is computed here. */
import { Environment } from "@marcbachmann/cel-js";
import { type Spelling, spell } from "./spelling.ts";

/** One part of an expression: `op` says what `args` are. */
export interface CelNode {
  readonly op: string;
  readonly args: unknown;
  readonly pos: number;
  readonly start: number;
}

export interface CelTree extends Spelling {
  readonly root: CelNode;
}

/** Why an expression cannot be read, and where. */
export class Unreadable extends Error {
  override name = "Unreadable";
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

const environment = new Environment({
  enableOptionalTypes: true,
  limits: { maxAstNodes: 1_000, maxDepth: 50, maxListElements: 500, maxMapEntries: 200 },
});

export function parseCel(source: string): CelTree {
  const spelling = spell(source);
  try {
    const root = environment.parse(spelling.source).ast as unknown as CelNode;
    if (spelling.quoted.size > 0) restoreNames(root, spelling.quoted);
    return Object.assign(spelling, { root });
  } catch (error) {
    const { summary, range, message } = error as { summary?: unknown; range?: { start?: unknown }; message?: unknown };
    const sentence = typeof summary === "string" ? summary : String(message ?? error);
    const offset = typeof range?.start === "number" ? range.start : 0;
    throw new Unreadable(sentence.split("\n", 1)[0] ?? sentence, spelling.writtenOffset(offset));
  }
}

function restoreNames(node: CelNode, quoted: ReadonlyMap<string, string>): void {
  if (node.op === "." || node.op === ".?") {
    const parts = node.args as [CelNode, string];
    parts[1] = quoted.get(parts[1]) ?? parts[1];
  }
  for (const child of childrenOf(node)) restoreNames(child, quoted);
}

export const isNode = (value: unknown): value is CelNode =>
  typeof value === "object" && value !== null && "op" in value && "start" in value;

/** The parts of a node. */
export function childrenOf(node: CelNode): CelNode[] {
  return node.op === "value" ? [] : [node.args].flat(3).filter(isNode);
}

export function countNodes(node: CelNode): number {
  return childrenOf(node).reduce((sum, child) => sum + countNodes(child), 1);
}
