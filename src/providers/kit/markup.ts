/** What the markups of several systems have in common. */

/** Nothing but one web address: escaped by percent signs, which keeps it a link everywhere. */
const WEB_ADDRESS = /^https?:\/\/[^\s<>"'`\\^{}|]+$/;

/** A text that is one web address, made the same address without a character that a markup reads; undefined for any other text. */
export function inertAddress(text: string): string | undefined {
  if (!WEB_ADDRESS.test(text)) return undefined;
  return text.replace(/[!*'()[\]_~@]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
