/** YAML to JSON with the place of every value: the only door to yaml. YAML 1.2 core, one document, nothing beyond JSON. */
import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  Scalar,
  visit,
  type YAMLError,
  type YAMLMap,
} from "yaml";
import { type Diagnostic, newDiagnostic, type Path } from "./errors.ts";
import { type Json, type JsonObject, LIMITS } from "./model.ts";
import { tokensOf, VALUES_MAX } from "./yaml/tokens.ts";
import { forbiddenCharacter, type Mistake, syntaxMistake, unquotedTemplate, wordAt } from "./yaml/words.ts";

/** 1-based; `endCol` is the column after the last character on that line. */
export interface TextRange {
  line: number;
  col: number;
  endCol: number;
}

export interface YamlFile {
  /** undefined = unreadable, see diagnostics; null = empty. Parts may be shared where the file uses aliases. */
  value: Json | undefined;
  /** Placed. */
  diagnostics: Diagnostic[];
  /** Of the value at the path (or its key), or of the deepest part of the path that exists. */
  place(path: Path, at?: { atKey?: boolean | undefined; offset?: number | undefined }): TextRange;
  /** The text with the values at these paths replaced by dots, for values that must not be shown. */
  hidden(paths: readonly Path[]): string;
  /** Drops the syntax tree. The next call of `place` or `hidden` reads the text again. */
  forget(): void;
}

/** Many times the size of the text, so it is kept only while places are asked for. */
interface Syntax {
  contents: Node | null;
  targets: ReadonlyMap<Node, Node>;
  lines: LineCounter;
}

/** Reads one file. Never throws. */
export function readYaml(file: string, text: string): YamlFile {
  const { value, diagnostics, ...composed } = compose(file, text);
  let tree: Syntax | undefined = composed.syntax;
  const syntax = (): Syntax => {
    tree ??= compose(file, text).syntax;
    return tree;
  };
  return {
    value,
    diagnostics,
    place(path, at = {}) {
      const { contents, targets, lines } = syntax();
      const lookup = lookUpNode(contents, path, targets);
      if (at.atKey === true && lookup.complete && lookup.key !== null)
        return rangeOf(text, lines, ...spanOf(lookup.key));
      if (at.offset !== undefined && isScalar(lookup.node)) {
        const start = sourceOffset(text, lookup.node, at.offset);
        return rangeOf(text, lines, start, start + wordAt(text, start).length);
      }
      return rangeOf(text, lines, ...spanOf(lookup.node ?? lookup.key));
    },
    hidden(paths) {
      const { contents, targets } = syntax();
      return paths.reduce((shown, path) => {
        const { node } = lookUpNode(contents, path, targets);
        const [start, end] = spanOf(node === null ? null : (targets.get(node) ?? node));
        return shown.slice(0, start) + shown.slice(start, end).replaceAll(/\S/g, "•") + shown.slice(end);
      }, text);
    },
    forget() {
      tree = undefined;
    },
  };
}

function compose(file: string, text: string): Pick<YamlFile, "value" | "diagnostics"> & { syntax: Syntax } {
  const lines = new LineCounter();
  const { tokens, excess } = tokensOf(text, lines);
  const nothing: Syntax = { contents: null, targets: new Map(), lines };
  const unreadable = (mistakes: readonly Mistake[]) => ({
    value: undefined,
    syntax: nothing,
    diagnostics: mistakes.map(({ code, message, start, end, suggestion }) =>
      newDiagnostic(code, message, { file, ...rangeOf(text, lines, start, end), suggestion }),
    ),
  });
  const early = forbiddenCharacter(text) ?? excess;
  if (early !== undefined) return unreadable([early]);
  // The tags of YAML 1.1 would give bytes, dates and sets, which are no JSON.
  const options = { version: "1.2", uniqueKeys: false, resolveKnownTags: false } as const;
  const documents = [...new Composer(options).compose(tokens, true, text.length)];
  const document = documents[0];
  if (document === undefined) return { value: null, diagnostics: [], syntax: nothing };
  const mistake = firstMistake(text, documents);
  if (mistake !== undefined) return unreadable([mistake]);
  const { value, mistakes, targets } = toJson(document.contents, (offset) => lines.linePos(offset).line);
  if (mistakes.length > 0) return unreadable(mistakes);
  return { value, diagnostics: [], syntax: { contents: document.contents, targets, lines } };
}

/** The diagnostic with its file and place filled in. */
export function placed(file: string, yaml: YamlFile, diagnostic: Diagnostic): Diagnostic {
  return { ...diagnostic, file, ...yaml.place(diagnostic.path ?? [], diagnostic) };
}

// ---------------------------------------------------------------- syntax

/** The first mistake of syntax: what the parser says after it is mostly its echo. */
function firstMistake(text: string, documents: readonly Document.Parsed[]): Mistake | undefined {
  const [document, second] = documents;
  const error = document?.errors[0] ?? document?.warnings[0];
  if (document !== undefined && error !== undefined) return inWords(text, document, error);
  if (second !== undefined) {
    const start = Math.max(text.lastIndexOf("---", second.range[0] + 3), 0);
    const message = "A file holds one YAML document; put the second one into its own file";
    return { code: "SB0001", message, start, end: start + 3 };
  }
  const version = document?.directives.yaml;
  if (version?.explicit !== true || version.version === "1.2") return undefined;
  const message = "Files are YAML 1.2; remove the %YAML directive";
  return { code: "SB0001", message, start: 0, end: "%YAML 1.1".length };
}

/** The library's finding in our words. */
function inWords(text: string, document: Document.Parsed, { code, message, pos: [start, end] }: YAMLError): Mistake {
  const at = {
    start,
    end,
    quote: code === "MISSING_CHAR" && message.includes("quote") ? openQuote(document, start) : undefined,
  };
  return syntaxMistake(text, { code, message, ...at });
}

function openQuote(document: Document.Parsed, at: number): number | undefined {
  let start: number | undefined;
  visit(document, {
    Scalar(_, scalar) {
      const range = scalar.range;
      if (range && range[0] < at && range[1] >= at && /^QUOTE/.test(scalar.type ?? "")) start = range[0];
    },
  });
  return start;
}

// ---------------------------------------------------------------- values

interface JsonPart {
  value: Json;
  /** Values in it, and levels, counted after aliases are followed. */
  size: number;
  height: number;
}

/** What one walk over a document collects. */
interface JsonPass {
  readonly mistakes: Mistake[];
  /** `part` is absent while the node is being read. */
  readonly anchors: Map<string, { node: Node; part?: JsonPart }>;
  /** Alias → the node that it names. */
  readonly targets: Map<Node, Node>;
  lineOf(offset: number): number;
}

/** The document as JSON, with what JSON cannot hold refused rather than bent. */
function toJson(
  contents: Node | null,
  lineOf: JsonPass["lineOf"],
): Omit<JsonPass, "anchors" | "lineOf"> & { value: Json } {
  const pass: JsonPass = { mistakes: [], anchors: new Map(), targets: new Map(), lineOf };
  const { value } = readNode(contents, pass);
  return { value, mistakes: pass.mistakes.slice(0, 100), targets: pass.targets };
}

const NOTHING: JsonPart = { value: null, size: 1, height: 0 };

function addMistake(
  { mistakes }: JsonPass,
  node: Node | null,
  message: string,
  code: Diagnostic["code"] = "SB0001",
): JsonPart {
  const [start, end] = spanOf(node);
  mistakes.push({ code, message, start, end });
  return NOTHING;
}

function readNode(node: Node | null, pass: JsonPass): JsonPart {
  if (node === null) return NOTHING;
  if (isAlias(node)) return readAlias(node, node.source, pass);
  const anchor: { node: Node; part?: JsonPart } = { node };
  if (isAnchored(node)) pass.anchors.set(node.anchor, anchor);
  const part = isMap(node)
    ? readMapping(node, pass)
    : isSeq(node)
      ? readList(node.items, pass)
      : readScalar(node, pass);
  const problem = pass.mistakes.length === 0 ? sizeProblem(part) : undefined;
  anchor.part = problem === undefined ? part : addMistake(pass, node, problem, "SB0108");
  return anchor.part;
}

function readAlias(node: Node, name: string, pass: JsonPass): JsonPart {
  const anchor = pass.anchors.get(name);
  const unknown = `No anchor "&${name}" stands before this alias; a text that starts with * must be quoted`;
  if (anchor === undefined) return addMistake(pass, node, unknown);
  if (anchor.part === undefined) return addMistake(pass, node, `The alias "*${name}" stands inside what it names`);
  pass.targets.set(node, anchor.node);
  return anchor.part;
}

function readList(items: readonly unknown[], pass: JsonPass): JsonPart {
  const list: Json[] = [];
  let size = 1;
  let height = 0;
  for (const item of items) {
    if (isPair(item)) addMistake(pass, item.key as Node, "A list item with a key is a mapping; write { key: value }");
    const part = isPair(item) ? NOTHING : readNode(item as Node | null, pass);
    list.push(part.value);
    size += part.size;
    height = Math.max(height, part.height);
  }
  // A copy without the room that a growing list keeps.
  return { value: list.slice(), size, height: height + 1 };
}

function readMapping(map: YAMLMap, pass: JsonPass): JsonPart {
  const object: JsonObject = {};
  const firsts = new Map<string, Node>();
  let size = 1;
  let height = 0;
  for (const { key: keyNode, value } of map.items as Pair<Node, Node | null>[]) {
    const key = keyText(keyNode, pass);
    if (isScalar(keyNode) && isAnchored(keyNode))
      pass.anchors.set(keyNode.anchor, { node: keyNode, part: readScalar(keyNode, pass) });
    const part = readNode(value, pass);
    size += part.size;
    height = Math.max(height, part.height);
    if (key === undefined) continue;
    const first = firsts.get(key);
    const again = first && `The key "${key}" stands twice, first in line ${pass.lineOf(spanOf(first)[0])}`;
    if (again === undefined) firsts.set(key, keyNode);
    else addMistake(pass, keyNode, again, "SB0002");
    object[key] = part.value;
  }
  return { value: object, size, height: height + 1 };
}

function readScalar(node: Node, pass: JsonPass): JsonPart {
  const value = isScalar(node) ? node.value : null;
  if (typeof value === "number" && !Number.isFinite(value))
    return addMistake(pass, node, "A number must be finite", "SB0102");
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value))
    return addMistake(pass, node, "A number this large is not kept exactly; quote it to keep its digits", "SB0102");
  return { value: value as Json, size: 1, height: 0 };
}

function sizeProblem({ size, height }: JsonPart): string | undefined {
  if (size > VALUES_MAX) return `More than ${VALUES_MAX.toLocaleString("en-US")} values, counted with aliases`;
  return height > LIMITS.jsonDepth
    ? `The nesting is deeper than ${LIMITS.jsonDepth} levels, counted with aliases`
    : undefined;
}

function isAnchored(node: Node): node is Node & { anchor: string } {
  return "anchor" in node && typeof node.anchor === "string";
}

/** The key as text, or undefined after adding the mistake. */
function keyText(key: Node | null, pass: JsonPass): string | undefined {
  if (!isScalar(key)) {
    const [start, end] = spanOf(key);
    const inner = isMap(key) && key.flow === true ? keyOfInner(key) : undefined;
    if (inner === undefined) addMistake(pass, key, "A key must be text");
    else pass.mistakes.push(unquotedTemplate(`{{${inner}}}`, start - 1, end + 1));
    return undefined;
  }
  const text = typeof key.value === "string" ? key.value : (key.source ?? String(key.value));
  if (key.value === null) addMistake(pass, key, "A key is missing before the colon");
  else if (text === "__proto__") addMistake(pass, key, 'The key "__proto__" may not be used');
  else if (text === "<<" && key.type === Scalar.PLAIN) {
    addMistake(pass, key, 'Merge keys "<<" are YAML 1.1; name the whole value with an alias, or repeat the keys');
  } else return text;
  return undefined;
}

/** `{{event.title}}` reads as a mapping whose key is the mapping `{event.title}`. */
function keyOfInner(map: YAMLMap): string | undefined {
  const only = map.items.length === 1 ? map.items[0]?.key : undefined;
  return isScalar(only) ? String(only.value) : undefined;
}

// ---------------------------------------------------------------- places

interface NodeLookup {
  node: Node | null;
  key: Node | null;
  /** Whether the whole path exists. */
  complete: boolean;
}

function lookUpNode(contents: Node | null, path: Path, targets: ReadonlyMap<Node, Node>): NodeLookup {
  let lookup: NodeLookup = { node: contents, key: null, complete: true };
  for (let i = 0; i < path.length; ) {
    const node = lookup.node === null ? null : (targets.get(lookup.node) ?? lookup.node);
    if (isSeq(node)) {
      const item = node.items[Number(path[i])] as Node | null | undefined;
      if (item === undefined) return { ...lookup, complete: false };
      lookup = { node: item, key: item, complete: true };
      i++;
      continue;
    }
    const entry = isMap(node) ? entryAt(node, path.slice(i)) : undefined;
    if (entry === undefined) return { ...lookup, complete: false };
    lookup = { node: entry.pair.value as Node | null, key: entry.pair.key as Node, complete: true };
    i += entry.taken;
  }
  return lookup;
}

/** The entry that the path goes through; a dotted key stands for several steps of the path. */
function entryAt(map: YAMLMap, path: Path): { pair: Pair; taken: number } | undefined {
  for (let keyCount = 1; keyCount <= path.length; keyCount++) {
    const name = path.slice(0, keyCount).join(".");
    const pair = map.items.find(({ key }) => isScalar(key) && String(key.source ?? key.value) === name);
    if (pair !== undefined) return { pair, taken: keyCount };
  }
  return undefined;
}

function spanOf(node: Node | null): [start: number, end: number] {
  return [node?.range?.[0] ?? 0, node?.range?.[1] ?? 0];
}

/** From start to end, cut at the end of the first line and at least one column wide. */
function rangeOf(text: string, lines: LineCounter, start: number, end: number): TextRange {
  const { line, col } = lines.linePos(Math.min(start, text.length));
  const rest = text.slice(start, Math.max(end, start)).split(/\r?\n/, 1)[0] ?? "";
  return {
    line: Math.max(line, 1),
    col: Math.max(col, 1),
    endCol: Math.max(col, 1) + Math.max(rest.trimEnd().length, 1),
  };
}

/** Where in the file the character of a string value stands: its rank among what is not white space, which folding keeps. */
function sourceOffset(text: string, scalar: Scalar, offset: number): number {
  const [start, end] = spanOf(scalar);
  const isBlock = scalar.type === Scalar.BLOCK_LITERAL || scalar.type === Scalar.BLOCK_FOLDED;
  const isQuoted = scalar.type === Scalar.QUOTE_DOUBLE || scalar.type === Scalar.QUOTE_SINGLE;
  const from = isBlock ? text.indexOf("\n", start) + 1 : start + (isQuoted ? 1 : 0);
  const rank = String(scalar.value).slice(0, offset).replaceAll(/\s/g, "").length;
  let seen = 0;
  for (const unit of text.slice(from, end).matchAll(UNITS[scalar.type ?? ""] ?? /(\S)/g)) {
    if (unit[1] !== undefined && seen++ === rank) return from + unit.index;
  }
  return Math.max(start, end - 1);
}

/** One match per character of the value; group 1 when it is not white space. https://yaml.org/spec/1.2.2/#57-escaped-characters */
const UNITS: Readonly<Record<string, RegExp>> = {
  [Scalar.QUOTE_DOUBLE]: /\\[tnrvf_NLP\s]|(\\x..|\\u.{4}|\\U.{8}|\\.|\S)/g,
  [Scalar.QUOTE_SINGLE]: /(''|\S)/g,
};
