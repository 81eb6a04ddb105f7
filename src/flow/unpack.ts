/** Bodies that were compressed on their way. What a small body becomes is bounded before any of it is unpacked. */
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { RawRequest } from "../ports/provider.ts";
import type { RefusalDetails } from "./refusals.ts";

const inflate = promisify(gunzip);

/** Real payloads become up to some fifty times smaller, a bomb a thousand times. */
const RATIO_MAX = 100;
/** However small the body is, it may become as large as an ordinary payload. */
const FREE_BYTES = 64 * 1024;

/** How a body is encoded for transport; undefined = in a way that is not understood. */
export function encodingOf({ headers }: Pick<RawRequest, "headers">): "identity" | "gzip" | undefined {
  const encoding = (headers["content-encoding"] ?? "identity").trim().toLowerCase();
  if (encoding === "gzip" || encoding === "x-gzip") return "gzip";
  return encoding === "identity" || encoding === "" ? "identity" : undefined;
}

/** The bytes that a compressed body may become. */
export function unpackedBytesMax(bytes: number, bodyBytesMax: number): number {
  return Math.min(bodyBytesMax, Math.max(FREE_BYTES, bytes * RATIO_MAX));
}

/** The same request with its body unpacked, or why it cannot be. */
export async function unpack(
  request: RawRequest,
  bodyBytesMax: number,
): Promise<{ ok: true; request: RawRequest } | { ok: false; refusal: RefusalDetails }> {
  const maxOutputLength = unpackedBytesMax(request.body.length, bodyBytesMax);
  try {
    return { ok: true, request: { ...request, body: await inflate(request.body, { maxOutputLength }) } };
  } catch (error) {
    const isTooMuch = error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
    const detail = isTooMuch
      ? `The body becomes larger than ${maxOutputLength} bytes when it is unpacked; at most maxBody, and ${RATIO_MAX} times its size, are allowed`
      : "The body is not gzip, although Content-Encoding says so";
    return { ok: false, refusal: { code: isTooMuch ? "SB0504" : "SB0506", detail } };
  }
}
