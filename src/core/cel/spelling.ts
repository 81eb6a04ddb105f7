/** Forms of CEL that the library cannot read, spelt as it can: `[?a]`, `{?k: v}`, `` a.`b-c` ``, `.5`, `br'\d'`, `b'ÿ'`. */

export interface Spelling {
  readonly source: string;
  /** Where elements and keys begin that were written with a `?` in front. Offsets in the new source. */
  readonly optionalAt: ReadonlySet<number>;
  /** What stands for a quoted field, by the name that was put in its place. */
  readonly quoted: ReadonlyMap<string, string>;
  /** The offset in the written source for one in the new. */
  writtenOffset(offset: number): number;
}

const SPECIAL = /[?`]|[bB][rR]?["']|(?:^|[^\w)\]])\.\d/;
const TOKEN =
  /\s+|\/\/[^\n]*|(?:[bB][rR]|[bBrR])?(?:"""(?:\\[\s\S]|[^\\])*?"""|'''(?:\\[\s\S]|[^\\])*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|`[\w\-./ ]+`|\w+|[\s\S]/g;
/** After these a `[` is an index and a `.` belongs to what is in front. */
const OPERAND_END = /[\w\])}"'`]$/;

export function spell(written: string): Spelling {
  if (!SPECIAL.test(written))
    return { source: written, optionalAt: new Set(), quoted: new Map(), writtenOffset: (offset) => offset };
  const pass = new SpellingPass();
  for (const match of written.matchAll(TOKEN)) pass.add(match[0], match.index, written.charCodeAt(match.index + 1));
  return pass;
}

class SpellingPass implements Spelling {
  source = "";
  readonly optionalAt = new Set<number>();
  readonly quoted = new Map<string, string>();
  readonly #changes: { at: number; writtenAt: number }[] = [];
  /** The last two tokens that are no blanks. */
  #before = "";
  #last = "";

  add(token: string, writtenAt: number, next: number): void {
    const spelt = this.#spelt(token, next);
    this.source += spelt;
    if (spelt.length !== token.length)
      this.#changes.push({ at: this.source.length, writtenAt: writtenAt + token.length });
    if (!/^(?:\s|\/\/)/.test(token)) [this.#before, this.#last] = [this.#last, token];
  }

  writtenOffset(offset: number): number {
    const change = this.#changes.findLast(({ at }) => at <= offset);
    return change === undefined ? offset : change.writtenAt + offset - change.at;
  }

  #spelt(token: string, next: number): string {
    if (token === "?" && this.#isElement()) {
      // A minus in the same place binds to the first operand of the element, which is where the mark is looked for.
      this.optionalAt.add(this.source.length);
      return "-";
    }
    if (token.length > 1 && token.startsWith("`") && this.#last === ".") return this.#quotedName(token.slice(1, -1));
    if (token === "." && next >= 48 && next <= 57 && !OPERAND_END.test(this.#last)) return "0.";
    return /^[bB][rR]?["']/.test(token) ? bytesLiteral(token) : token;
  }

  #isElement(): boolean {
    return this.#last === "," || this.#last === "{" || (this.#last === "[" && !OPERAND_END.test(this.#before));
  }

  #quotedName(name: string): string {
    const substitute = `quoted_field_${this.quoted.size}_`;
    this.quoted.set(substitute, name);
    return substitute;
  }
}

/** Bytes without `r`, and in ASCII: other characters as the escapes of their UTF-8. */
function bytesLiteral(token: string): string {
  const isRaw = /^.[rR]/.test(token);
  const body = token.slice(isRaw ? 2 : 1);
  const escaped = isRaw ? body.replace(/\\(["']?)/g, (_, quote: string) => `\\\\${quote && `\\${quote}`}`) : body;
  return `b${escaped.replace(/[^\0-\x7f]+/g, (text) => Buffer.from(text).toString("hex").replace(/../g, "\\x$&"))}`;
}
