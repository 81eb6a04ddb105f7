/** Collects a body of an untrusted sender: memory grows with the bytes that arrive, not with the declared length. */

const FIRST_BYTES = 16 * 1024;

export interface BodyBuffer {
  readonly length: number;
  add(chunk: Buffer): void;
  take(): Buffer;
}

/**
 * A body in one piece, the usual case, is not copied. Otherwise it grows by doubling: a megabyte sent byte by byte costs two
 * megabytes, where a list of a million small buffers would cost a hundred. `expectedBytes` only bounds the last step.
 */
export function createBodyBuffer(expectedBytes: number): BodyBuffer {
  let first: Buffer | undefined;
  let room: Buffer | undefined;
  let length = 0;

  const grow = (needed: number): Buffer => {
    if (room && room.length >= needed) return room;
    const doubled = Math.max(needed, FIRST_BYTES, (room?.length ?? 0) * 2);
    const grown = Buffer.allocUnsafe(Math.max(needed, Math.min(doubled, expectedBytes || doubled)));
    (room ?? first)?.copy(grown, 0, 0, length);
    room = grown;
    return grown;
  };

  return {
    get length() {
      return length;
    },
    add(chunk) {
      if (length === 0) first = chunk;
      else chunk.copy(grow(length + chunk.length), length);
      length += chunk.length;
    },
    take: () => room?.subarray(0, length) ?? first ?? Buffer.alloc(0),
  };
}
