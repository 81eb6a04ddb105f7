/** Ids of events as people type them: shortened or misspelt. */
import type { ApiClient } from "../api/client.ts";
import { nearest, SignalboxError } from "../errors.ts";

const IDS_SEARCHED = 200;

/** The result of `look`. When there is no event with the id, the error suggests ids that start with it or resemble it. */
export async function suggestingIds<T>(api: ApiClient, id: string, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof SignalboxError) || error.code !== "SB0905") throw error;
    const { items } = await api.listEvents({ query: { limit: IDS_SEARCHED } });
    const ids = items.map(({ event }) => event.id);
    const matchingIds = ids.filter((one) => id.length >= 5 && one.startsWith(id)).slice(0, 3);
    const [only, second] = matchingIds;
    if (only && !second) throw new SignalboxError("SB0905", `There is no event "${id}"; did you mean "${only}"?`);
    if (only) throw ambiguousId(id, matchingIds);
    const near = nearest(id, ids);
    if (near) throw new SignalboxError("SB0905", `There is no event "${id}"; did you mean "${near}"?`);
    throw error;
  }
}

function ambiguousId(id: string, ids: readonly string[]): SignalboxError {
  return new SignalboxError("SB0905", `Several events start with "${id}": ${ids.join(", ")}`);
}
