/** Lines to a file that may be full, closed, or read by somebody slow. Nobody waits for them, and nothing ends because of them. */
import { writeSync } from "node:fs";

/** Kept for a reader that is slow; lines past it are dropped. */
const WAITING_BYTES_MAX = 256 * 1024;

export interface LineWriter {
  /** Throws when the line is dropped. A line is written whole or not at all, also when it takes several writes. */
  write(line: string): void;
}

/** Writes to a file descriptor, standard error when none is given. */
export function lineWriter(fd = 2, writeBytes: (fd: number, bytes: Buffer) => number = writeSync): LineWriter {
  /** The rest of a line that was begun, and the lines behind it that a slow reader will get. */
  let waiting = Buffer.alloc(0);

  /** Writes what it can; throws for anything but a reader that is slow. */
  function flush(): void {
    while (waiting.length > 0) {
      try {
        waiting = waiting.subarray(writeBytes(fd, waiting));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
        return;
      }
    }
  }

  return {
    write(line) {
      const bytes = Buffer.from(line);
      flush();
      if (waiting.length + bytes.length > WAITING_BYTES_MAX) throw new Error("The reader of the log is too slow");
      const before = waiting.length;
      waiting = Buffer.concat([waiting, bytes]);
      try {
        flush();
      } catch (error) {
        // Nothing of it was written: then it is dropped. Otherwise its rest waits, so that the next line does not begin within it.
        const isUntouched = waiting.length === before + bytes.length;
        if (isUntouched) waiting = waiting.subarray(0, before);
        if (isUntouched) throw error;
      }
    },
  };
}
