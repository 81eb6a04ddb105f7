/** Strict readers of what drawings are written in: each takes only what we write and throws at everything else. */

export class Misfit extends Error {}

function expected(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Misfit(what);
}

// ---------------------------------------------------------------- Mermaid

export interface MermaidDiagram {
  /** Id → the name that is seen, what stands below it, and the state it is written in. */
  states: Map<string, { name: string; lines: string[]; parent: string | undefined; isChoice: boolean }>;
  /** From and to; `[*]` with the state it is written in: `[*]work`. */
  arrows: { from: string; to: string; label: string }[];
  /** How many regions each state has. */
  regions: Map<string, number>;
}

/** Words that begin a statement of another kind, or that no state may have for an id. */
const KEYWORDS =
  /^(accdescr|acctitle|as|class|classdef|click|default|href|note|root|scale|state|statediagram|style|constructor|hasownproperty|isprototypeof|propertyisenumerable|tolocalestring|tostring|valueof|.*_start|.*_end)$/i;
const ID = "([A-Za-z]\\w*)";
const TEXT = '((?:[^#;:"{}%`\\\\~$@*\\n]|#\\d+;)+)';
const FORMS = {
  start: new RegExp(`^\\[\\*\\] --> ${ID}$`),
  end: new RegExp(`^${ID} --> \\[\\*\\]$`),
  arrow: new RegExp(`^${ID} --> ${ID}(?: : ${TEXT})?$`),
  line: new RegExp(`^${ID} : ${TEXT}$`),
  bare: new RegExp(`^${ID}$`),
  named: new RegExp(`^state "${TEXT}" as ${ID}( \\{)?$`),
  block: new RegExp(`^state ${ID} \\{$`),
  choice: new RegExp(`^state ${ID} <<choice>>$`),
  note: new RegExp(`^note right of ${ID}$`),
  text: new RegExp(`^${TEXT}$`),
} as const;

/** What a reader is shown. Refuses what Mermaid or a page could read as more than text. */
function shown(text: string): string {
  expected(!/--|-->|\[\[|<(?![ =])|&[#\w]|end\s*note/i.test(text), `"${text}" is more than text`);
  return text.replaceAll(/#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)));
}

/** Reads a state diagram line by line. https://mermaid.js.org/syntax/stateDiagram.html */
export function readMermaid(source: string): MermaidDiagram {
  expected(source.endsWith("\n"), "the last line has an end");
  const [head, ...lines] = source.slice(0, -1).split("\n");
  expected(head === "stateDiagram-v2", `it begins with ${head}`);
  const diagram: MermaidDiagram = { states: new Map(), arrows: [], regions: new Map() };
  const open: string[] = [];
  let note: string | undefined;
  const stateOf = (id: string) => {
    expected(!KEYWORDS.test(id), `"${id}" is no id`);
    const known = diagram.states.get(id) ?? { name: id, lines: [], parent: open.at(-1), isChoice: false };
    diagram.states.set(id, known);
    return known;
  };
  for (const line of lines) {
    const depth = note === undefined ? open.length : open.length + 1;
    const closes = line.trim() === "}" || line.trim() === "end note";
    const isDivider = line.trim() === "--";
    const text = line.trimStart();
    expected(line.length - text.length === 2 * (depth + 1 - (closes ? 1 : 0)), `"${line}" is indented`);
    if (note !== undefined) {
      if (text === "end note") note = undefined;
      else {
        const [, told = ""] = FORMS.text.exec(text) ?? [];
        expected(told !== "", `"${line}" is the text of a note`);
        stateOf(note).lines.push(shown(told));
      }
    } else if (text === "}") expected(open.pop(), "something is open");
    else if (isDivider) {
      const [state] = open.slice(-1);
      expected(state, "regions are inside a state");
      diagram.regions.set(state, (diagram.regions.get(state) ?? 1) + 1);
    } else note = statement(text, { diagram, open, stateOf });
  }
  expected(open.length === 0 && note === undefined, "everything is closed");
  return diagram;
}

interface Reading {
  diagram: MermaidDiagram;
  open: string[];
  stateOf(id: string): { name: string; lines: string[]; parent: string | undefined; isChoice: boolean };
}

/** The state whose note begins, if one does. */
function statement(text: string, { diagram, open, stateOf }: Reading): string | undefined {
  const here = open.at(-1) ?? "";
  const match = (form: keyof typeof FORMS) => FORMS[form].exec(text);
  let found = match("start");
  if (found) {
    diagram.arrows.push({ from: `[*]${here}`, to: found[1]!, label: "" });
    return undefined;
  }
  found = match("end");
  if (found) {
    diagram.arrows.push({ from: found[1]!, to: `[*]${here}`, label: "" });
    return undefined;
  }
  found = match("arrow");
  if (found) {
    diagram.arrows.push({ from: found[1]!, to: found[2]!, label: shown(found[3] ?? "") });
    return undefined;
  }
  found = match("line");
  if (found) {
    const isFirst = !diagram.states.has(found[1]!);
    const state = stateOf(found[1]!);
    if (isFirst) state.name = shown(found[2]!);
    else state.lines.push(shown(found[2]!));
    return undefined;
  }
  found = match("note");
  if (found) {
    expected(diagram.states.has(found[1]!), `"${found[1]}" is known`);
    return found[1];
  }
  const named = match("named");
  const block = match("block");
  const choice = match("choice");
  const bare = match("bare");
  const id = named?.[2] ?? block?.[1] ?? choice?.[1] ?? bare?.[1];
  expected(id, `"${text}" is a statement`);
  expected(!diagram.states.has(id), `"${id}" is declared once`);
  const state = stateOf(id);
  if (named) state.name = shown(named[1]!);
  if (choice) state.isChoice = true;
  if (block || named?.[3]) open.push(id);
  return undefined;
}

// ---------------------------------------------------------------- Graphviz

export interface DotGraph {
  id: string;
  /** Node → attributes, and the cluster that it is in. */
  nodes: Map<string, { attributes: Map<string, string>; cluster: string | undefined }>;
  clusters: Map<string, { attributes: Map<string, string>; parent: string | undefined }>;
  edges: { from: string; to: string; attributes: Map<string, string> }[];
}

/** https://graphviz.org/doc/info/lang.html, and more strictly: names are quoted, ends of edges are declared somewhere. */
export function readDot(source: string): DotGraph {
  const tokens = [...dotTokens(source)];
  let at = 0;
  const peek = (ahead = 0) => tokens[at + ahead];
  const take = (what?: string) => {
    const token = tokens[at++];
    expected(token !== undefined && (what === undefined || token.text === what), `${what} instead of ${token?.text}`);
    return token;
  };
  const name = () => {
    const token = take();
    expected(token.quoted, `${token.text} is quoted`);
    return token.text;
  };
  const attributes = () => {
    const list = new Map<string, string>();
    if (peek()?.text !== "[" || peek()?.quoted) return list;
    take("[");
    for (;;) {
      const key = take();
      expected(!key.quoted && /^[a-z]+$/.test(key.text), `${key.text} is an attribute`);
      expected(!list.has(key.text), `${key.text} is given once`);
      take("=");
      list.set(key.text, take().text);
      if (peek()?.text === "]" && !peek()?.quoted) break;
      take(",");
    }
    take("]");
    return list;
  };
  const graph: DotGraph = { id: "", nodes: new Map(), clusters: new Map(), edges: [] };
  const statements = (cluster: string | undefined) => {
    take("{");
    while (!(peek()?.text === "}" && !peek()?.quoted)) {
      const word = peek();
      expected(word, "it is closed");
      if (!word.quoted && word.text === "subgraph") {
        take();
        const id = name();
        expected(id.startsWith("cluster"), `${id} is a cluster`);
        expected(!graph.clusters.has(id), `${id} is declared once`);
        graph.clusters.set(id, { attributes: new Map(), parent: cluster });
        statements(id);
      } else if (!word.quoted && ["graph", "node", "edge"].includes(word.text)) {
        take();
        attributes();
      } else if (!word.quoted) {
        take();
        take("=");
        if (cluster !== undefined) graph.clusters.get(cluster)!.attributes.set(word.text, peek()!.text);
        take();
      } else if (peek(1)?.text === "->" && !peek(1)?.quoted) {
        const from = name();
        take("->");
        graph.edges.push({ from, to: name(), attributes: attributes() });
      } else {
        const id = name();
        expected(!graph.nodes.has(id), `${id} is declared once`);
        graph.nodes.set(id, { attributes: attributes(), cluster });
      }
    }
    take("}");
  };
  take("digraph");
  graph.id = name();
  statements(undefined);
  expected(at === tokens.length, "nothing comes after it");
  for (const { from, to, attributes: list } of graph.edges) {
    expected(graph.nodes.has(from) && graph.nodes.has(to), `${from} -> ${to} are declared`);
    for (const end of ["lhead", "ltail"]) {
      expected(!list.has(end) || graph.clusters.has(list.get(end)!), `${list.get(end)} is a cluster`);
    }
  }
  return graph;
}

/** Quoted names with `\"` undone; Graphviz leaves every other backslash to the label. */
function* dotTokens(source: string): Generator<{ text: string; quoted: boolean }> {
  const form = /\s+|"((?:[^"\\\n]|\\["\\nl])*)"|(->|[{}[\]=,]|[A-Za-z_][\w]*|\d+(?:\.\d+)?)/gy;
  while (form.lastIndex < source.length) {
    const from = form.lastIndex;
    const match = form.exec(source);
    expected(match, `Graphviz reads ${JSON.stringify(source.slice(from, from + 30))}`);
    if (match[1] !== undefined) yield { text: match[1].replaceAll('\\"', '"'), quoted: true };
    else if (match[2] !== undefined) yield { text: match[2], quoted: false };
  }
}

/** A label as its reader sees it, line by line. */
export function dotLines(label: string): string[] {
  const lines = label.replace(/\\l$/, "").split(/(?<=(?:^|[^\\])(?:\\\\)*)\\[nl]/);
  return lines.map((line) => {
    expected(/^(?:[^&\\]|&amp;|\\\\)*$/.test(line), `${line} has entities that were not written by us`);
    return line.replaceAll("\\\\", "\\").replaceAll("&amp;", "&");
  });
}

// ---------------------------------------------------------------- XML

export interface Element {
  name: string;
  attributes: Map<string, string>;
  children: Element[];
  /** Directly inside. */
  text: string;
}

const ATTRIBUTE = /\s+([a-z][\w-]*)="([^"<]*)"/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: XML has no way to write them.
const UNWRITABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/u;

/** The one element, well-formed: https://www.w3.org/TR/xml/#sec-well-formed. No comments, declarations or processing instructions. */
export function readXml(source: string): Element {
  expected(!UNWRITABLE.test(source), "every character can stand in XML");
  const root: Element = { name: "", attributes: new Map(), children: [], text: "" };
  const open = [root];
  const tag = /<(\/?)([a-z][\w-]*)/giy;
  for (let at = 0; at < source.length; ) {
    const next = source.indexOf("<", at);
    const end = next < 0 ? source.length : next;
    const inside = open.at(-1)!;
    inside.text += unescaped(source.slice(at, end));
    if (next < 0) break;
    tag.lastIndex = next;
    const match = tag.exec(source);
    expected(match, `a tag is at ${JSON.stringify(source.slice(next, next + 30))}`);
    at = tag.lastIndex;
    const [, slash, name = ""] = match;
    if (slash) {
      expected(open.length > 1 && open.pop()?.name === name, `</${name}> closes what is open`);
      expected(source[at] === ">", `</${name} ends`);
      at += 1;
      continue;
    }
    const element: Element = { name, attributes: new Map(), children: [], text: "" };
    inside.children.push(element);
    ATTRIBUTE.lastIndex = at;
    for (let found = ATTRIBUTE.exec(source); found; found = ATTRIBUTE.exec(source)) {
      at = ATTRIBUTE.lastIndex;
      expected(!element.attributes.has(found[1]!), `${found[1]} is given once`);
      element.attributes.set(found[1]!, unescaped(found[2]!));
    }
    const [close = ""] = /^\/?>/.exec(source.slice(at, at + 2)) ?? [];
    expected(close !== "", `<${name} ends at ${JSON.stringify(source.slice(at, at + 30))}`);
    at += close.length;
    if (close === ">") open.push(element);
  }
  expected(open.length === 1, "every element is closed");
  expected(root.children.length === 1 && root.text.trim() === "", "there is one element");
  return root.children[0]!;
}

function unescaped(text: string): string {
  const known: Record<string, string> = { lt: "<", gt: ">", amp: "&", quot: '"', "#39": "'" };
  expected(!text.includes("]]>"), "]]> is escaped");
  return text.replaceAll(/&([^;]*);?/g, (whole, name) => {
    expected(whole.endsWith(";") && Object.hasOwn(known, name), `${whole} is an entity`);
    return known[name]!;
  });
}

/** The element and all inside it, in document order. */
export function elementsIn(element: Element): Element[] {
  return [element, ...element.children.flatMap(elementsIn)];
}
