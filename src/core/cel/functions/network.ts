/** Addresses and networks, the way Kubernetes and cel-go have them. https://kubernetes.io/docs/reference/using-api/cel/ */
import { CelError, CidrBlock, IpAddress, quotedText } from "../values.ts";
import { define, type FunctionTable } from "./table.ts";

export function defineNetwork(table: FunctionTable): void {
  define(table, "ip(string): ip", (_run, a: string) => readAddress(a));
  define(table, "ip(ip): ip", (_run, a: IpAddress) => a);
  define(table, "isIP(string): bool", (_run, a: string) => typeof parseAddress(a) !== "string");
  define(table, "ip::isCanonical(string): bool", (_run, a: string) => addressText(readAddress(a)) === a);
  define(table, "string(ip): string", (_run, a: IpAddress) => addressText(a));
  define(table, "cidr(string): cidr", (_run, a: string) => readNetwork(a));
  define(table, "cidr(cidr): cidr", (_run, a: CidrBlock) => a);
  define(table, "isCIDR(string): bool", (_run, a: string) => typeof parseNetwork(a) !== "string");
  define(table, "string(cidr): string", (_run, a: CidrBlock) => networkText(a));
  define(table, "ip.family(): int", (_run, a: IpAddress) => BigInt(a.family));
  const ranges: Record<string, (address: IpAddress) => boolean> = {
    isUnspecified: ({ bits }) => bits === 0n,
    isLoopback,
    isGlobalUnicast,
    isLinkLocalMulticast,
    isLinkLocalUnicast,
  };
  for (const [name, test] of Object.entries(ranges))
    define(table, `ip.${name}(): bool`, (_run, a: IpAddress) => test(a));
  define(table, "cidr.containsIP(ip): bool", (_run, a: CidrBlock, b: IpAddress) => contains(a, b));
  define(table, "cidr.containsIP(string): bool", (_run, a: CidrBlock, b: string) => contains(a, readAddress(b)));
  define(table, "cidr.containsCIDR(cidr): bool", (_run, a: CidrBlock, b: CidrBlock) => containsNetwork(a, b));
  define(table, "cidr.containsCIDR(string): bool", (_run, a: CidrBlock, b: string) =>
    containsNetwork(a, readNetwork(b)),
  );
  define(table, "cidr.ip(): ip", (_run, a: CidrBlock) => a.address);
  define(table, "cidr.masked(): cidr", (_run, a: CidrBlock) => {
    const hostBits = BigInt(width(a.address) - a.prefix);
    return new CidrBlock(new IpAddress(a.address.family, (a.address.bits >> hostBits) << hostBits), a.prefix);
  });
  define(table, "cidr.prefixLength(): int", (_run, a: CidrBlock) => BigInt(a.prefix));
}

const width = (address: IpAddress): number => (address.family === 4 ? 32 : 128);
/** Whether the first bits of an address are those of another. */
const begins = (address: IpAddress, bits: bigint, prefix: number): boolean =>
  address.bits >> BigInt(width(address) - prefix) === bits;

const isLoopback = (a: IpAddress) => (a.family === 4 ? begins(a, 127n, 8) : a.bits === 1n);
const isLinkLocalUnicast = (a: IpAddress) => (a.family === 4 ? begins(a, 0xa9fen, 16) : begins(a, 0xfe80n >> 6n, 10));
const isLinkLocalMulticast = (a: IpAddress) =>
  a.family === 4 ? begins(a, 0xe00000n, 24) : begins(a, 0xffn, 8) && (a.bits >> 112n) % 16n === 2n;
const isMulticast = (a: IpAddress) => (a.family === 4 ? begins(a, 0xen, 4) : begins(a, 0xffn, 8));
const isBroadcast = (a: IpAddress) => a.family === 4 && a.bits === 0xffff_ffffn;

function isGlobalUnicast(a: IpAddress): boolean {
  return !(a.bits === 0n || isBroadcast(a) || isLoopback(a) || isMulticast(a) || isLinkLocalUnicast(a));
}

function contains(network: CidrBlock, address: IpAddress): boolean {
  const hostBits = BigInt(width(network.address) - network.prefix);
  return network.address.family === address.family && network.address.bits >> hostBits === address.bits >> hostBits;
}

const containsNetwork = (a: CidrBlock, b: CidrBlock): boolean => b.prefix >= a.prefix && contains(a, b.address);

function readAddress(text: string): IpAddress {
  const address = parseAddress(text);
  if (typeof address === "string") throw new CelError(`IP address ${quotedText(text)}: ${address}`);
  return address;
}

function readNetwork(text: string): CidrBlock {
  const network = parseNetwork(text);
  if (typeof network === "string") throw new CelError(`network ${quotedText(text)}: ${network}`);
  return network;
}

/** The network, or what is wrong with the text. */
function parseNetwork(text: string): CidrBlock | string {
  const slash = text.indexOf("/");
  if (slash === -1) return "a network is written like 10.0.0.0/8";
  const address = parseAddress(text.slice(0, slash));
  if (typeof address === "string") return address;
  const prefix = text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > width(address))
    return `the prefix is a number from 0 to ${width(address)}`;
  return new CidrBlock(address, Number(prefix));
}

/** The address, or what is wrong with the text. */
function parseAddress(text: string): IpAddress | string {
  // The longest form has 45 characters.
  if (text.length > 45) return "it is too long for an address";
  if (text.includes("%")) return "a zone is not allowed";
  if (!text.includes(":")) {
    const bits = parseV4(text);
    return bits === undefined ? "an address is written like 192.0.2.1 or 2001:db8::1" : new IpAddress(4, bits);
  }
  const bits = parseV6(text);
  if (bits === undefined) return "an address is written like 192.0.2.1 or 2001:db8::1";
  if (bits >> 32n !== 0xffffn) return new IpAddress(6, bits);
  return text.includes(".") ? "write an IPv4 address without ::ffff: in front" : new IpAddress(4, bits & 0xffff_ffffn);
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.reduce((bits, part) => (bits << 8n) | BigInt(part), 0n);
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(groupsOf) as [string[] | undefined, string[] | undefined];
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array<string>(missing).fill("0"), ...(tail ?? [])];
  return groups.reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n);
}

/** The groups of one side of `::`; four decimal numbers at the end are two groups. */
function groupsOf(side: string): string[] | undefined {
  if (side === "") return [];
  const groups = side.split(":");
  const last = groups.at(-1) as string;
  if (last.includes(".")) {
    const bits = parseV4(last);
    if (bits === undefined) return undefined;
    groups.splice(-1, 1, (bits >> 16n).toString(16), (bits & 0xffffn).toString(16));
  }
  return groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group)) ? groups : undefined;
}

export const networkText = ({ address, prefix }: CidrBlock): string => `${addressText(address)}/${prefix}`;

/** The one canonical form. https://www.rfc-editor.org/rfc/rfc5952 */
export function addressText({ family, bits }: IpAddress): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((by) => (bits >> by) & 255n).join(".");
  const groups = Array.from({ length: 8 }, (_, i) => ((bits >> BigInt(112 - i * 16)) & 0xffffn).toString(16));
  const full = groups.join(":");
  const runs = full.match(/(?:^|:)0(?::0)+(?=:|$)/g) ?? [];
  const longest = runs.reduce((best, run) => (zeros(run) > zeros(best) ? run : best), "");
  if (longest === "") return full;
  const at = full.indexOf(longest);
  return `${full.slice(0, at)}::${full.slice(at + longest.length).replace(/^:/, "")}`;
}

const zeros = (run: string): number => run.split("0").length - 1;
