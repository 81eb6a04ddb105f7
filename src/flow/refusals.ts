/** Records refused requests, so that their senders can be helped, up to a limit per sender and source. */
import { hash } from "node:crypto";
import { addressBits } from "../core/match/address.ts";
import { ERRORS, type ErrorCode, messageOf, statusOf } from "../errors.ts";
import { evictOldest, LIMITS } from "../model.ts";
import type { Books } from "../ports/books.ts";
import type { Clock } from "../ports/clock.ts";
import type { Observer } from "../ports/observe.ts";
import type { VerifyReason } from "../ports/provider.ts";

const EXCERPT_CHARS = 2_000;
/** UTF-8 needs at most this many bytes for a character. */
const CHAR_BYTES_MAX = 4;
/** Senders with a limit of their own; the one whose last refusal is oldest is dropped first. */
const SENDERS_MAX = 10_000;
const MINUTE_MS = 60_000;
/** Senders' delivery ids are short; a longer text is cut. */
const DELIVERY_CHARS_MAX = 200;

export interface RefusalDetails {
  code: ErrorCode;
  reason?: VerifyReason;
  detail?: string;
}

/** The recorded part of a refused request. */
export interface RefusedRequest {
  id: string;
  source: string;
  /** Address of the sender. */
  address: string;
  path: string;
  /** The sender's delivery id, not verified. */
  delivery: string | undefined;
  body: Buffer;
}

/** Records the refusal unless there were too many; resolves with the refusal for the response. */
export type Refuse = (request: RefusedRequest, refusal: RefusalDetails) => Promise<RefusalDetails>;

export interface RefusalDeps {
  store: Pick<Books, "refuse">;
  clock: Clock;
  observe: Observer;
}

export function createRefuse(deps: RefusalDeps): Refuse {
  const ofSender = createAllowance(LIMITS.refusals, deps.clock);
  const ofSource = createAllowance(LIMITS.refusalsOfSource, deps.clock);
  return async (request, refusal) => {
    // The sender is verified: its refusals are not limited.
    if (refusal.code === "SB0506") return await record(deps, request, refusal);
    const { source, address } = request;
    // Verification comes first, so that a sender with the right secret is served even when another one behind the same address is limited.
    if (!ofSender(`${source} ${networkOf(address)}`)) {
      return refusal.code === "SB0507" ? refusal : { code: "SB0509" };
    }
    return ofSource(source) ? await record(deps, request, refusal) : refusal;
  };
}

/** A rate limit by key: `most` times at once, and that many times a minute. */
function createAllowance(most: number, clock: Clock): (key: string) => boolean {
  const byKey = new Map<string, { count: number; atMs: number }>();
  return (key) => {
    const nowMs = clock.monotonic();
    const { count, atMs } = byKey.get(key) ?? { count: most, atMs: nowMs };
    const remaining = Math.min(most, count + ((nowMs - atMs) * most) / MINUTE_MS);
    const isAllowed = remaining >= 1;
    // Moved to the end, so that the first key is the one used longest ago.
    byKey.delete(key);
    byKey.set(key, { count: isAllowed ? remaining - 1 : remaining, atMs: nowMs });
    evictOldest(byKey, SENDERS_MAX);
    return isAllowed;
  };
}

/** The network of an address: the /64 of IPv6, because one sender usually has all of it. */
function networkOf(address: string): string {
  const bits = address.startsWith("::ffff:") ? undefined : addressBits(address);
  return bits?.startsWith("6") ? bits.slice(0, 1 + 64) : address;
}

async function record(deps: RefusalDeps, request: RefusedRequest, refusal: RefusalDetails): Promise<RefusalDetails> {
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
    // The body is recorded only for verified senders.
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
