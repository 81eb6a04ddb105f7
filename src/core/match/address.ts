/** Internet addresses and the blocks that `cidr` names. IPv4 and IPv6 are kept apart: a mapped address is an IPv6 address. */

/** `bits`: with what the addresses of the block begin, see `addressBits`. */
export type Block = { ok: true; bits: string; test(text: string): boolean } | { ok: false; detail: string };

const OCTET = /^(?:0|[1-9]\d{0,2})$/;
const GROUP = /^[0-9a-fA-F]{1,4}$/;
/** The longest text that can be an address: eight groups, the last two as IPv4. */
const ADDRESS_CHARS_MAX = 45;

/** Whether a text is an address inside the block `10.0.0.0/8` or `2001:db8::/32`. */
export function cidr(text: string): Block {
  const [base = "", mask = "", ...rest] = text.split("/");
  const address = addressBits(base);
  if (address === undefined || rest.length > 0 || !text.includes("/"))
    return { ok: false, detail: `"${text}" is not a block of addresses, write 10.0.0.0/8 or 2001:db8::/32` };
  const length = address.length - 1;
  if (!/^\d{1,3}$/.test(mask) || Number(mask) > length)
    return { ok: false, detail: `The mask of "${text}" must be a number from 0 to ${length}` };
  const bits = address.slice(0, 1 + Number(mask));
  return { ok: true, bits, test: (candidate) => addressBits(candidate)?.startsWith(bits) ?? false };
}

/** 4 or 6 and then the 32 or 128 bits of the address as digits; undefined for a text that is none. */
export function addressBits(text: string): string | undefined {
  if (text.length > ADDRESS_CHARS_MAX) return undefined;
  const v4 = bitsOfV4(text);
  if (v4 !== undefined) return `4${v4}`;
  const v6 = bitsOfV6(text);
  return v6 === undefined ? undefined : `6${v6}`;
}

const binary = (value: number, digits: number) => value.toString(2).padStart(digits, "0");

/** Leading zeros are refused: some readers take them for octal, so the text does not name one address. */
function bitsOfV4(text: string): string | undefined {
  const octets = text.split(".");
  if (octets.length !== 4 || !octets.every((octet) => OCTET.test(octet) && Number(octet) <= 255)) return undefined;
  return octets.map((octet) => binary(Number(octet), 8)).join("");
}

function bitsOfV6(text: string): string | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(bitsOfGroups);
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const free = 128 - head.length - (tail?.length ?? 0);
  // Two colons stand for at least one group of zeros. https://www.rfc-editor.org/rfc/rfc5952#section-4.2
  if (tail === undefined ? free !== 0 : free < 16) return undefined;
  return head + "0".repeat(free) + (tail ?? "");
}

/** The groups between single colons; the last may be an IPv4 address, which makes two. */
function bitsOfGroups(text: string): string | undefined {
  if (text === "") return "";
  const parts = text.split(":");
  let bits = "";
  for (const [i, part] of parts.entries()) {
    const v4 = i === parts.length - 1 ? bitsOfV4(part) : undefined;
    if (v4 === undefined && !GROUP.test(part)) return undefined;
    bits += v4 ?? binary(Number.parseInt(part, 16), 16);
  }
  return bits;
}
