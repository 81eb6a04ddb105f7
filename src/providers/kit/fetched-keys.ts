/** Public keys that a vendor serves: cached, and fetched again when a signature is not valid, but not for each forged request. */
import { messageOf } from "../../errors.ts";
import type { SourceContext, Verdict } from "../../ports/provider.ts";

const TTL_MS = 24 * 3_600_000;
/** How often forged requests can cause a fetch; the cache takes up to 10 % off. */
const REFETCH_MS = 67_000;

export interface FetchedKeys {
  /** Of the cached keys, e.g. "travis|https://api.travis-ci.com/config". */
  cacheKey: string;
  /** Fetches the vendor's keys. Throws when they cannot be fetched. */
  load(): Promise<string[]>;
}

/**
 * The verdict of `verify` with the keys. When the signature is not valid, the vendor may have changed its keys: they are fetched
 * again, at most once a minute, and the cached ones stay in use when that fails. Without any keys the reason is `key_unavailable`.
 */
export async function verifyWithKeys(
  { cacheKey, load }: FetchedKeys,
  verify: (keys: readonly string[]) => Verdict,
  { cache }: Pick<SourceContext, "cache">,
): Promise<Verdict> {
  let verdict: Verdict;
  try {
    verdict = verify(await cache.read(cacheKey, { ttlMs: TTL_MS, failMs: REFETCH_MS }, load));
  } catch (error) {
    return { ok: false, reason: "key_unavailable", detail: messageOf(error) };
  }
  if (verdict.ok || verdict.reason !== "signature_mismatch") return verdict;
  try {
    const fresh = await cache.read(`${cacheKey}|fresh`, { ttlMs: REFETCH_MS, failMs: REFETCH_MS }, load);
    const second = verify(fresh);
    if (second.ok) await cache.drop(cacheKey);
    return second;
  } catch {
    return verdict;
  }
}
