/** How much is tried: `SIGNALBOX_THOROUGH=1` asks for all of it, as .ci/run does; otherwise as much as fits into a minute or two. */

export const IS_THOROUGH = process.env.SIGNALBOX_THOROUGH === "1";

export function thorough<T>(small: T, large: T): T {
  return IS_THOROUGH ? large : small;
}
