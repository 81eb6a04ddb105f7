/** application/x-www-form-urlencoded, decoded to bytes: a text decoder could change signed bytes. */

export type FormField = { ok: true; value: Buffer } | { ok: false; detail: string };

/** More fields than any sender uses. A form is read before its signature is verified, so its fields are bounded. */
const FIELDS_MAX = 1_000;

/**
 * The one field of that name. Refuses a missing, a repeated (parsers disagree which one wins) and an undecodable field. No other field is
 * decoded.
 */
export function formField(body: Buffer, name: string): FormField {
  const all = pairs(body);
  if (all === undefined) return { ok: false, detail: `The form has more than ${FIELDS_MAX} fields` };
  const nameBytes = Buffer.from(name, "utf8");
  const [field, second] = all.filter(({ key }) => isNamed(key, nameBytes));
  if (field === undefined) return { ok: false, detail: `The form has no field "${name}"` };
  if (second !== undefined) return { ok: false, detail: `The form has more than one field "${name}"` };
  const value = decode(field.value);
  return value ? { ok: true, value } : { ok: false, detail: `The form field "${name}" is not url-encoded` };
}

/** All fields as text; undefined when a name is repeated, there are too many fields, or one is not url-encoded UTF-8. */
export function formFields(body: Buffer): Record<string, string> | undefined {
  const fields = new Map<string, string>();
  for (const pair of pairs(body) ?? [undefined]) {
    const name = pair && decodedText(pair.key);
    const text = pair && decodedText(pair.value);
    if (name === undefined || text === undefined || fields.has(name)) return undefined;
    fields.set(name, text);
  }
  return Object.fromEntries(fields);
}

/** The text of strictly valid UTF-8, without a byte order mark. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

interface Pair {
  key: Buffer;
  value: Buffer;
}

/** The fields as they were sent, views of the body; undefined when there are too many. */
function pairs(body: Buffer): Pair[] | undefined {
  const all: Pair[] = [];
  let count = 0;
  for (let start = 0, end = 0; start < body.length; start = end + 1) {
    end = body.indexOf(AMPERSAND, start);
    if (end < 0) end = body.length;
    count += 1;
    if (count > FIELDS_MAX) return undefined;
    if (end > start) all.push(pairOf(body.subarray(start, end)));
  }
  return all;
}

function pairOf(field: Buffer): Pair {
  const at = field.indexOf(EQUALS);
  return at < 0
    ? { key: field, value: field.subarray(field.length) }
    : { key: field.subarray(0, at), value: field.subarray(at + 1) };
}

function isNamed(key: Buffer, wanted: Buffer): boolean {
  // An escape is three bytes for one, so a longer name cannot be equal and need not be decoded.
  return key.length <= 3 * wanted.length && (decode(key) ?? key).equals(wanted);
}

function decodedText(bytes: Buffer): string | undefined {
  const decoded = decode(bytes);
  return decoded && utf8(decoded);
}

const AMPERSAND = 0x26;
const EQUALS = 0x3d;
const PERCENT = 0x25;
const PLUS = 0x2b;
const SPACE = 0x20;

/** Plus is a space, %xx a byte; undefined for a broken escape. */
function decode(bytes: Buffer): Buffer | undefined {
  if (!bytes.includes(PERCENT) && !bytes.includes(PLUS)) return bytes;
  const decoded = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    let byte = bytes[i] as number;
    if (byte === PLUS) byte = SPACE;
    else if (byte === PERCENT) {
      byte = (hexDigit(bytes[i + 1]) << 4) | hexDigit(bytes[i + 2]);
      if (byte < 0) return undefined;
      i += 2;
    }
    decoded[length++] = byte;
  }
  return decoded.subarray(0, length);
}

/** -1 when it is none. */
function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}
