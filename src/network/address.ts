/** Lists of network addresses, and private addresses. */
import { BlockList, isIP } from "node:net";
import type { RawRequest } from "../ports/provider.ts";

export interface AddressList {
  /** False for anything that is not an address. */
  has(address: string): boolean;
}

/** Addresses (`10.0.0.1`) and networks (`10.0.0.0/8`); an entry that is neither matches nothing. */
export function addressList(entries: readonly string[]): AddressList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = "", bits] = entry.trim().split("/");
    const version = isIP(address);
    const prefix = bits === undefined ? (version === 4 ? 32 : 128) : Number(bits);
    if (version === 0 || !Number.isInteger(prefix) || prefix < 0 || prefix > (version === 4 ? 32 : 128)) continue;
    list.addSubnet(address, prefix, family(version));
  }
  return {
    has(address) {
      const version = isIP(address);
      // BlockList checks an IPv4-mapped IPv6 address against IPv4 entries too.
      return version !== 0 && list.check(address, family(version));
    },
  };
}

/**
 * The address that a request comes from: its peer's, or, while the peer is a trusted proxy, the one that it reports. From the right, each
 * hop of X-Forwarded-For is only as good as the peer that reported it.
 */
export function clientAddress(
  { remoteAddress = "", headers }: Pick<RawRequest, "remoteAddress" | "headers">,
  trusted: AddressList,
): string {
  const hops = (headers["x-forwarded-for"] ?? "").split(",").map((hop) => hop.trim());
  let client = remoteAddress;
  while (trusted.has(client) && hops.length > 0) client = hops.pop() || client;
  return client;
}

/**
 * Special-purpose ranges that no provider lives in: this host, private, shared, link-local with the metadata services, multicast,
 * documentation, and the IPv6 forms that carry an IPv4 address. https://www.iana.org/assignments/iana-ipv4-special-registry
 */
const PRIVATE = addressList(
  (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 " +
    "192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 " +
    "::/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20 5f00::/16 fc00::/7 fe80::/10 " +
    "fec0::/10 ff00::/8"
  ).split(" "),
);

/** Whether the address is private. True for a text that is no address, so that it is refused. */
export function isPrivateAddress(address: string): boolean {
  const plain = address.split("%", 1)[0] ?? "";
  return isIP(plain) === 0 || PRIVATE.has(plain);
}

function family(version: number): "ipv4" | "ipv6" {
  return version === 4 ? "ipv4" : "ipv6";
}

export const DOT_SEGMENT =
  'A segment of the path is "." or "..", which would call another address; write the path without it';

/**
 * Whether a segment of the path is `.` or `..`, plain, encoded or behind an encoded slash: the address called would be another than the one
 * written. Asked of the text, because a URL that was parsed no longer has them.
 */
export function hasDotSegment(url: string): boolean {
  // What a URL parser drops (tabs and newlines) or takes for a slash (a backslash) counts as it does there.
  const [whole = ""] = url.replace(/[\t\n\r]/g, "").split(/[?#]/);
  const path = whole.replace(/^[a-z][a-z0-9+.-]*:[/\\]{2}[^/\\]*/i, "");
  const plain = path.replace(/%2e/gi, ".").replace(/%2f|%5c|\\/gi, "/");
  return plain.split("/").some((segment) => segment === "." || segment === "..");
}
