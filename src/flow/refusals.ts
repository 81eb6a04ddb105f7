/** What becomes of requests that are not taken: written down, so that their sender can be helped, but no flood of them is. */
import { hash } from "node:crypto";
import { addressBits } from "../core/match/address.ts";
import { ERRORS, type ErrorCode, messageOf, statusOf } from "../errors.ts";
import { LIMITS } from "../model.ts";
import type { Books } from "../ports/books.ts";
import type { Clock } from "../ports/clock.ts";
import type { Observer } from "../ports/observe.ts";
import type { VerifyReason } from "../ports/provider.ts";

const EXCERPT_CHARS = 2_000;
/** UTF-8 needs at most this many bytes for a character. */
const CHAR_BYTES_MAX = 4;
/** Senders that are told apart at one time; whoever was wrong longest ago is forgotten first. */
const SENDERS_MAX = 10_000;
const MINUTE_MS = 60_000;
/** Names of deliveries are ids; a longer text is not one. */
const DELIVERY_CHARS_MAX = 200;

export interface Refusal {
  code: ErrorCode;
  reason?: VerifyReason;
  detail?: string;
}

/** What is kept of a request that is refused. */
export interface RefusedRequest {
  id: string;
  source: string;
  /** Where it came from. */
  address: string;
  path: string;
  /** The sender's own name of it, unproven. */
  delivery: string | undefined;
  body: Buffer;
}

/** Writes the refusal down, if there were not too many; answers what the sender is told. */
export type Refuse = (request: RefusedRequest, refusal: Refusal) => Promise<Refusal>;

export interface RefusalDeps {
  store: Pick<Books, "refuse">;
  clock: Clock;
  observe: Observer;
}

export function createRefusals(deps: RefusalDeps): Refuse {
  const ofSender = createAllowance(LIMITS.refusals, deps.clock);
  const ofSource = createAllowance(LIMITS.refusalsOfSource, deps.clock);
  return async (request, refusal) => {
    // Verified senders write no more than they may send.
    if (refusal.code === "SB0506") return await writtenDown(deps, request, refusal);
    const { source, address } = request;
    // Verifying comes before this, so that a sender with the right secret is served beside one without, even behind one address.
    if (!ofSender(`${source} ${networkOf(address)}`)) {
      return refusal.code === "SB0507" ? refusal : { code: "SB0509" };
    }
    return ofSource(source) ? await writtenDown(deps, request, refusal) : refusal;
  };
}

/** Says of each key whether it may once more: `most` times at once, and again that many times a minute. */
function createAllowance(most: number, clock: Clock): (key: string) => boolean {
  const left = new Map<string, { count: number; atMs: number }>();
  return (key) => {
    const nowMs = clock.monotonic();
    const { count, atMs } = left.get(key) ?? { count: most, atMs: nowMs };
    const now = Math.min(most, count + ((nowMs - atMs) * most) / MINUTE_MS);
    const may = now >= 1;
    // Put last, so that the first is the one that was wrong longest ago.
    left.delete(key);
    left.set(key, { count: may ? now - 1 : now, atMs: nowMs });
    for (const oldest of left.keys()) {
      if (left.size <= SENDERS_MAX) break;
      left.delete(oldest);
    }
    return may;
  };
}

/** Whoever has one IPv6 address has a /64 of them. */
function networkOf(address: string): string {
  const bits = address.startsWith("::ffff:") ? undefined : addressBits(address);
  return bits?.startsWith("6") ? bits.slice(0, 1 + 64) : address;
}

async function writtenDown(deps: RefusalDeps, request: RefusedRequest, refusal: Refusal): Promise<Refusal> {
  const { body, address, delivery, ...place } = request;
  const { code, reason, detail } = refusal;
  const row = {
    ...place,
    atMs: deps.clock.now(),
    status: statusOf(code),
    code,
    reason: reason ?? detail ?? ERRORS[code].title,
    ...(delivery ? { delivery: delivery.slice(0, DELIVERY_CHARS_MAX) } : {}),
    ...(address === "" ? {} : { address }),
    bytes: body.length,
    bodySha256: hash("sha256", body),
    // Only of the body of a verified sender a part is kept.
    ...(code === "SB0506" ? { excerpt: excerptOf(body) } : {}),
  };
  try {
    await deps.store.refuse(row);
  } catch (error) {
    deps.observe({ kind: "fault", where: "refuse", message: messageOf(error) });
  }
  return refusal;
}

function excerptOf(body: Buffer): string {
  return body
    .subarray(0, CHAR_BYTES_MAX * EXCERPT_CHARS)
    .toString("utf8")
    .slice(0, EXCERPT_CHARS);
}
