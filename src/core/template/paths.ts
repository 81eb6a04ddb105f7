/** Paths in templates: what they lead to, along own properties only, and words for what is missing. */
import { nearest } from "../../errors.ts";
import { isObject, type Json } from "../../model.ts";
import { SCOPE_NAMES } from "../expr.ts";
import {
  addDiagnostic,
  type Frame,
  type Level,
  MISSING,
  type ReadValue,
  RenderFailure,
  type TemplatePass,
} from "./reading.ts";
import type { PathNode } from "./syntax.ts";

/** Reads a path; `lenient`: a missing value is no failure but undefined. */
export function readPath(node: PathNode, level: Level, pass: TemplatePass, lenient: boolean): ReadValue {
  const path = staticPath(node, level);
  if (node.data && node.parts[0] !== "root") return readData(node, level, pass);
  const parent = levelAt(node, level);
  const [head = "", ...rest] = node.parts;
  if (parent === undefined) {
    addDiagnostic(pass, node.loc, `${node.original} leads out of the template`);
    return () => MISSING;
  }
  const parameter = node.depth === 0 && !node.data ? parameterLevel(head, level) : undefined;
  if (parameter === undefined && parent.root) checkHead(node, pass);
  if (path !== undefined && path !== "") pass.reads.add(path);
  const parts = parameter !== undefined ? rest : node.data ? rest : node.parts;
  const steps = parameter ?? (node.data ? Number.POSITIVE_INFINITY : node.depth);
  const named = parameter === undefined ? undefined : head;
  const own = isOwn(path);
  return (frame) => {
    const start = frameAt(frame, steps);
    const value = named === undefined ? start.value : start.names[named];
    return { value: walk(value, parts, node.original, lenient) as Json | undefined, own };
  };
}

/** Whoever writes the policy writes its vars as well. */
function isOwn(path: string | undefined): boolean {
  return path !== undefined && /^vars(\.|$)/.test(path);
}

const DATA = ["index", "key", "first", "last"];

function readData(node: PathNode, level: Level, pass: TemplatePass): ReadValue {
  const [name = ""] = node.parts;
  if (!DATA.includes(name) || node.parts.length > 1 || level.root) {
    addDiagnostic(
      pass,
      node.loc,
      `@${name} is not known here, inside {{#each}} there are @index, @key, @first and @last`,
    );
    return () => MISSING;
  }
  return (start) => {
    let frame: Frame | undefined = start;
    for (let up = node.depth; up > 0; up--) frame = frame?.parent;
    while (frame !== undefined && !Object.hasOwn(frame.names, `@${name}`)) frame = frame.parent;
    return { value: frame?.names[`@${name}`] as Json | undefined, own: false };
  };
}

function checkHead(node: PathNode, pass: TemplatePass): void {
  const head = node.data ? node.parts[1] : node.parts[0];
  if (SCOPE_NAMES.some((name) => name === head)) return;
  const start = "a template starts from event, context, item or vars";
  if (head === undefined) addDiagnostic(pass, node.loc, `{{${node.original}}} names nothing, ${start}`);
  else
    addDiagnostic(
      pass,
      node.loc,
      `"${head}" is not known here, ${start}`,
      nearest(head, SCOPE_NAMES) ?? `event.${head}`,
    );
}

function levelAt(node: PathNode, level: Level): Level | undefined {
  let at: Level | undefined = level;
  if (node.data) while (at.parent !== undefined) at = at.parent;
  else for (let up = node.depth; up > 0; up--) at = at?.parent;
  return at;
}

/** How many levels up the block stands that gave this name to its value. */
function parameterLevel(name: string, level: Level): number | undefined {
  let steps = 0;
  for (let at: Level | undefined = level; at !== undefined; at = at.parent) {
    if (at.names.has(name)) return steps;
    steps += 1;
  }
  return undefined;
}

function frameAt(frame: Frame, steps: number): Frame {
  let at = frame;
  for (let up = steps; up > 0 && at.parent !== undefined; up--) at = at.parent;
  return at;
}

/** The dotted path from the top that an expression reads, as far as it can be known. */
export function staticPath(node: PathNode, level: Level): string | undefined {
  if (node.data) return node.parts[0] === "root" ? node.parts.slice(1).join(".") : undefined;
  const [head = "", ...rest] = node.parts;
  const steps = node.depth === 0 ? parameterLevel(head, level) : undefined;
  if (steps !== undefined) {
    let at: Level | undefined = level;
    for (let up = steps; up > 0; up--) at = at?.parent;
    const path = at?.names.get(head);
    return path === undefined ? undefined : [path, ...rest].join(".");
  }
  const path = levelAt(node, level)?.path;
  return path === undefined ? undefined : [path, ...node.parts].filter((part) => part !== "").join(".");
}

/** Along own properties. Names the first that is missing, and the key that was probably meant. */
function walk(start: unknown, parts: readonly string[], original: string, lenient: boolean): unknown {
  let value = start;
  for (const part of parts) {
    const held = typeof value === "object" && value !== null && Object.hasOwn(value, part);
    const next = held ? (value as Record<string, unknown>)[part] : undefined;
    if (next === undefined) {
      if (lenient) return undefined;
      throw new RenderFailure(missing(value, part, original));
    }
    value = next;
  }
  if (value === undefined && !lenient) throw new RenderFailure(`${original} is missing`);
  return value;
}

function missing(parent: unknown, part: string, original: string): string {
  const gone = original.endsWith(part) ? `${original} is missing` : `${original} is missing, there is no "${part}"`;
  if (original.startsWith(part) && SCOPE_NAMES.some((name) => name === part))
    return `${gone} inside this block, write ../${original} or @root.${original}`;
  const keys = isObject(parent) ? Object.keys(parent) : [];
  const similar = nearest(part, keys);
  if (similar !== undefined) return `${gone}, there is "${similar}"`;
  return `${gone}, write {{default ${original} "…"}} if that can be`;
}
