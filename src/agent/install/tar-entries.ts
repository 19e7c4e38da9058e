/** One member of a tar archive. Its content must be read, or skipped by asking for the next member. */
export interface TarEntry {
  readonly path: string;
  readonly kind: "file" | "directory" | "link" | "other";
  readonly mode: number;
  readonly bytes: number;
  /** Where a link leads; "" for others. */
  readonly target: string;
  content(): AsyncIterable<Uint8Array>;
}

export class BrokenArchive extends Error {}

const BLOCK = 512;
/** A header's extension is names; this much is none. */
const MOST_EXTENSION_BYTES = 1024 * 1024;

/** The members of an archive as they come: ustar, with GNU's and POSIX' long names. Throws `BrokenArchive`. */
export async function* tarEntries(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void, undefined> {
  const input = new Blocks(bytes);
  let long: { path?: string; target?: string } = {};
  for (;;) {
    const header = await input.take(BLOCK);
    if (header === null) throw new BrokenArchive("it is cut off");
    if (header.every((byte) => byte === 0)) return;
    if (!hasItsChecksum(header)) throw new BrokenArchive("it is damaged");
    const size = octal(header, 124, 12);
    const type = String.fromCharCode(header[156] ?? 0);
    const padded = Math.ceil(size / BLOCK) * BLOCK;
    if ("LKxg".includes(type)) {
      if (size > MOST_EXTENSION_BYTES) throw new BrokenArchive("it is damaged");
      const extension = (await input.take(padded))?.subarray(0, size);
      if (extension === undefined) throw new BrokenArchive("it is cut off");
      if (type === "L") long = { ...long, path: text(extension) };
      else if (type === "K") long = { ...long, target: text(extension) };
      else if (type === "x") long = { ...long, ...posixNames(extension) };
      continue;
    }
    const prefix = text(header.subarray(345, 500));
    const name = text(header.subarray(0, 100));
    let left = size;
    const rest = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      while (left > 0) {
        const piece = await input.some(left);
        if (piece === null) throw new BrokenArchive("it is cut off");
        left -= piece.length;
        yield piece;
      }
    };
    yield {
      path: long.path ?? (prefix === "" ? name : `${prefix}/${name}`),
      kind: type === "0" || type === "\0" ? "file" : type === "5" ? "directory" : type === "2" ? "link" : "other",
      mode: octal(header, 100, 8),
      bytes: size,
      target: long.target ?? text(header.subarray(157, 257)),
      content: rest,
    };
    long = {};
    for await (const _ of rest()) continue;
    if ((await input.take(padded - size)) === null) throw new BrokenArchive("it is cut off");
  }
}

function hasItsChecksum(header: Uint8Array): boolean {
  let sum = 0;
  for (const [at, byte] of header.entries()) sum += at >= 148 && at < 156 ? 0x20 : byte;
  return sum === octal(header, 148, 8);
}

function octal(header: Uint8Array, at: number, length: number): number {
  const digits = text(header.subarray(at, at + length)).trim();
  const value = Number.parseInt(digits === "" ? "0" : digits, 8);
  if (!Number.isSafeInteger(value) || value < 0) throw new BrokenArchive("it is damaged");
  return value;
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Records of `<length> <key>=<value>\n`. */
function posixNames(bytes: Uint8Array): { path?: string; target?: string } {
  const found: { path?: string; target?: string } = {};
  for (const [, key, value] of text(bytes).matchAll(/\d+ (path|linkpath)=([^\n]*)\n/g)) {
    if (key === "path" && value !== undefined) found.path = value;
    if (key === "linkpath" && value !== undefined) found.target = value;
  }
  return found;
}

class Blocks {
  readonly #source: AsyncIterator<Uint8Array>;
  #held: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** At least one byte, at most so many; null at the end. */
  async some(most: number): Promise<Uint8Array | null> {
    while (this.#held.length === 0) {
      const next = await this.#source.next();
      if (next.done === true) return null;
      this.#held = next.value;
    }
    const piece = this.#held.subarray(0, most);
    this.#held = this.#held.subarray(piece.length);
    return piece;
  }

  /** Exactly so many; null when fewer are left. */
  async take(count: number): Promise<Uint8Array | null> {
    const taken = new Uint8Array(count);
    let at = 0;
    while (at < count) {
      const piece = await this.some(count - at);
      if (piece === null) return null;
      taken.set(piece, at);
      at += piece.length;
    }
    return taken;
  }
}
