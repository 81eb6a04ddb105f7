/** application/x-www-form-urlencoded, decoded to bytes: what is signed must not pass through a lossy text decoder. */

export type FormField = { ok: true; value: Buffer } | { ok: false; detail: string };

/** The one field of that name. Refuses a missing, a repeated (parsers disagree which one wins) and an undecodable field. */
export function formField(body: Buffer, name: string): FormField {
  const found = pairs(body).filter(({ key }) => key.toString("utf8") === name);
  const [field] = found;
  if (field === undefined) return { ok: false, detail: `The form has no field "${name}"` };
  if (found.length > 1) return { ok: false, detail: `The form has more than one field "${name}"` };
  if (field.value === undefined) return { ok: false, detail: `The form field "${name}" is not url-encoded` };
  return { ok: true, value: field.value };
}

/** All fields as text; undefined when a name stands twice or something is not url-encoded UTF-8. */
export function formFields(body: Buffer): Record<string, string> | undefined {
  const fields = new Map<string, string>();
  for (const { key, value } of pairs(body)) {
    const name = utf8(key);
    const text = value === undefined ? undefined : utf8(value);
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

function pairs(body: Buffer): { key: Buffer; value: Buffer | undefined }[] {
  return body
    .toString("latin1")
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const at = pair.indexOf("=");
      const key = decode(at < 0 ? pair : pair.slice(0, at));
      return { key: key ?? Buffer.from(pair, "latin1"), value: decode(at < 0 ? "" : pair.slice(at + 1)) };
    });
}

/** Plus is a space, %xx a byte; undefined for a broken escape. */
function decode(text: string): Buffer | undefined {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return undefined;
  const latin1 = text
    .replaceAll("+", " ")
    .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(latin1, "latin1");
}
