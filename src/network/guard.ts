/** Resolves names once, checks the addresses and passes exactly those to Node: a hostile name server cannot give another answer later. */
import { type LookupAddress, lookup as lookupName } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { isPrivateAddress } from "./address.ts";

/** Resolves names. */
export type Resolve = (
  name: string,
  answer: (error: Error | null, addresses: readonly LookupAddress[]) => void,
) => void;

export interface AddressGuard {
  /** False for a private address where none may be called. */
  admits(address: string): boolean;
  /** Refuses the name when one of its addresses is private. */
  lookup: LookupFunction;
  /** A checked address of a name, or the address itself. Rejects with a `code`. */
  address(host: string): Promise<string>;
}

export function createGuard(allowPrivate: boolean, resolve: Resolve = resolveAll): AddressGuard {
  const admits = (address: string) => allowPrivate || !isPrivateAddress(address);
  const lookup: LookupFunction = (name, { all }, callback) => {
    resolve(name, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error || !first) return callback(error ?? failed("ENOTFOUND"), "", 0);
      if (!addresses.every(({ address }) => admits(address))) return callback(failed("PRIVATE_ADDRESS"), "", 0);
      return all ? callback(null, [...addresses]) : callback(null, first.address, first.family);
    });
  };
  return {
    admits,
    lookup,
    async address(host) {
      // Node does not look up an address, so it is checked here.
      if (isIP(host) !== 0) {
        if (admits(host)) return host;
        throw failed("PRIVATE_ADDRESS");
      }
      return await new Promise((done, fail) => {
        lookup(host, { all: false }, (error, address) => (error ? fail(error) : done(String(address))));
      });
    },
  };
}

/** An error with a `code`. */
export function failed(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** Why a private address is not called, and what allows it. */
export function privateAddressDetail(host: string): string {
  return `${host} is a private address; set allowPrivate: true on the connection if that is meant`;
}

function resolveAll(name: string, answer: (error: Error | null, addresses: readonly LookupAddress[]) => void): void {
  lookupName(name, { all: true }, answer);
}
