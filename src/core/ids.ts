/** Ids are hashes of their cause: the same cause has the same id, on every node and after every restart. */
import { hash } from "node:crypto";
import { CROCKFORD, eventIdFrom } from "../model/event.ts";

/** `evt_` + 10 characters of time + 16 of the cause: sorts by time, says nothing about the content. */
export function eventId(atMs: number, cause: string): string {
  return `${eventIdFrom(atMs)}${hashed(cause, 16)}`;
}

/** `dlv_` + 26 characters: the idempotency key that is sent. */
export function deliveryId(...cause: readonly (string | number)[]): string {
  return `dlv_${hashed(JSON.stringify(cause), 26)}`;
}

/** A number in [0, 1) that depends on nothing but the text. */
export function chanceOf(text: string): number {
  return Number.parseInt(hash("sha256", text).slice(0, 8), 16) / 2 ** 32;
}

function hashed(text: string, chars: number): string {
  const digest = Buffer.from(hash("sha256", text), "hex");
  let id = "";
  let bits = 0;
  let held = 0;
  for (const byte of digest) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5 && id.length < chars) {
      bits -= 5;
      id += CROCKFORD.charAt((held >> bits) & 31);
      held &= (1 << bits) - 1;
    }
  }
  return id;
}
