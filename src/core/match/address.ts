/** Internet addresses and the blocks that `cidr` names. IPv4 and IPv6 are kept apart: a mapped address is an IPv6 address. */

interface Address {
  bits: 32 | 128;
  value: bigint;
}

export type Block = { ok: true; test(text: string): boolean } | { ok: false; detail: string };

const OCTET = /^(?:0|[1-9]\d{0,2})$/;
const GROUP = /^[0-9a-fA-F]{1,4}$/;
/** The longest text that can be an address: eight groups, the last two as IPv4. */
const ADDRESS_CHARS_MAX = 45;

/** Whether a text is an address inside the block `10.0.0.0/8` or `2001:db8::/32`. */
export function cidr(text: string): Block {
  const [base = "", mask = "", ...rest] = text.split("/");
  const address = parseAddress(base);
  if (address === undefined || rest.length > 0 || !text.includes("/"))
    return { ok: false, detail: `"${text}" is not a block of addresses, write 10.0.0.0/8 or 2001:db8::/32` };
  if (!/^\d{1,3}$/.test(mask) || Number(mask) > address.bits)
    return { ok: false, detail: `The mask of "${text}" must be a number from 0 to ${address.bits}` };
  const free = BigInt(address.bits - Number(mask));
  const network = address.value >> free;
  return {
    ok: true,
    test: (candidate) => {
      const other = parseAddress(candidate);
      return other !== undefined && other.bits === address.bits && other.value >> free === network;
    },
  };
}

function parseAddress(text: string): Address | undefined {
  if (text.length > ADDRESS_CHARS_MAX) return undefined;
  const v4 = parseV4(text);
  if (v4 !== undefined) return { bits: 32, value: v4 };
  const v6 = parseV6(text);
  return v6 === undefined ? undefined : { bits: 128, value: v6 };
}

/** Leading zeros are refused: some readers take them for octal, so the text does not name one address. */
function parseV4(text: string): bigint | undefined {
  const octets = text.split(".");
  if (octets.length !== 4 || !octets.every((octet) => OCTET.test(octet) && Number(octet) <= 255)) return undefined;
  return octets.reduce((value, octet) => value * 256n + BigInt(octet), 0n);
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(groupsOf);
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const written = head.length + (tail?.length ?? 0);
  // Two colons stand for at least one group of zeros. https://www.rfc-editor.org/rfc/rfc5952#section-4.2
  if (tail === undefined ? written !== 8 : written > 7) return undefined;
  const groups = [...head, ...Array.from({ length: 8 - written }, () => 0n), ...(tail ?? [])];
  return groups.reduce((value, group) => value * 65_536n + group, 0n);
}

/** The groups between single colons; the last may be an IPv4 address, which makes two. */
function groupsOf(text: string): bigint[] | undefined {
  if (text === "") return [];
  const groups: bigint[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    const v4 = i === parts.length - 1 ? parseV4(part) : undefined;
    if (v4 !== undefined) groups.push(v4 / 65_536n, v4 % 65_536n);
    else if (GROUP.test(part)) groups.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return groups;
}
