/** What events take while they are in memory, counted in bytes of what their JSON becomes: three bytes of text can become sixty-four. */

/** What V8 needs for a value that begins or is separated here, as measured; escapes of a form may hide one each. */
const VALUE_BYTES: readonly (readonly [text: string, bytes: number])[] = [
  ["{", 64],
  ["[", 64],
  [",", 32],
  [":", 32],
  ["%", 32],
];
/** Bytes that the values of a JSON text take, about; seen without parsing it. */
export function valueBytes(text: string): number {
  let bytes = text.length;
  for (const [character, each] of VALUE_BYTES) {
    for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1)) bytes += each;
  }
  return bytes;
}

export interface MemoryGate {
  /** Resolves when there is room for as many bytes, first come, first served; the returned function gives the room back. */
  enter(bytes: number): Promise<() => void>;
}

/** Lets in as much as there is room for, and always one: what is larger than all the room goes alone. */
export function createMemoryGate(bytesMax: number): MemoryGate {
  const line: { bytes: number; go: () => void }[] = [];
  let held = 0;
  function admit(): void {
    for (let next = line[0]; next && (held === 0 || held + next.bytes <= bytesMax); next = line[0]) {
      line.shift();
      held += next.bytes;
      next.go();
    }
  }
  return {
    async enter(bytes) {
      await new Promise<void>((go) => {
        line.push({ bytes, go });
        admit();
      });
      return () => {
        held -= bytes;
        admit();
      };
    },
  };
}
