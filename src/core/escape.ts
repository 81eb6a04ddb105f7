/** Making text from outside dead for its destination: it is shown as it is and can neither call people nor change the layout. */

/** A text of any origin in, the same text without any power out. */
export type Escape = (text: string) => string;
export type Escapes = Readonly<Record<string, Escape>>;

/** C0 controls except tab and newline: no destination shows them and some act on them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f]/g;
const LONE_SURROGATES = /\p{Surrogate}/gu;

/** Well-formed text whatever came in: half a surrogate pair cannot be stored or sent. */
export function wellFormed(text: string): string {
  return text.replace(LONE_SURROGATES, "\ufffd");
}

const clean = (text: string): string => wellFormed(text).replace(CONTROLS, "");

const HTML: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** For one part of a URL, and safe inside every markup as well. */
export function urlEncode(text: string): string {
  return encodeURIComponent(clean(text)).replace(
    /[!'()*_~]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The destinations that belong to no provider. `none` changes nothing but broken characters. */
const COMMON: Escapes = {
  none: wellFormed,
  html: (text) => clean(text).replace(/[&<>"']/g, (char) => HTML[char] ?? char),
  url: urlEncode,
};

/** What `escape` may name: the common destinations, then a provider's own. */
export function escapeNames(own: Escapes = {}): string[] {
  return [...Object.keys(COMMON), ...Object.keys(own)];
}

/** The escape of that name, a provider's own before the common ones. Text reaches a provider's well formed and without controls. */
export function escapeNamed(name: string, own: Escapes = {}): Escape | undefined {
  const ofProvider = Object.hasOwn(own, name) ? own[name] : undefined;
  if (ofProvider) return (text) => ofProvider(clean(text));
  return Object.hasOwn(COMMON, name) ? COMMON[name] : undefined;
}
