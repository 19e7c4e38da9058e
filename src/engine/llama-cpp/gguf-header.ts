import { closeSync, openSync, readSync } from "node:fs";

/** The metadata of a GGUF file. Arrays of numbers are whole; of other arrays only the length is kept. */
export type GgufHeader = ReadonlyMap<
  string,
  string | number | boolean | readonly number[] | { readonly length: number }
>;

const MAGIC = 0x46554747;
const CHUNK_BYTES = 1024 * 1024;
/** Vocabularies weigh a few megabytes; more than this is no header. */
const MOST_BYTES = 256 * 1024 * 1024;
const LONGEST_NUMBER_ARRAY = 4_096;

const TYPE = { uint8: 0, int8: 1, uint16: 2, int16: 3, uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 };
const SIZES: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };

/** Reads the file's head only. Null: it is not a GGUF file of version 2 or 3, or it is cut off. */
export function readGgufHeader(path: string): GgufHeader | null {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return null;
  }
  try {
    return parse(new FileReader(fd));
  } catch (error) {
    if (error instanceof CutOff) return null;
    throw error;
  } finally {
    closeSync(fd);
  }
}

function parse(file: FileReader): GgufHeader | null {
  if (file.number(TYPE.uint32) !== MAGIC) return null;
  const version = file.number(TYPE.uint32);
  if (version !== 2 && version !== 3) return null;
  file.number(10);
  const count = file.number(10);
  const header = new Map<string, string | number | boolean | readonly number[] | { length: number }>();
  for (let at = 0; at < count; at++) {
    const key = file.text();
    header.set(key, value(file, file.number(TYPE.uint32)));
  }
  return header;
}

function value(file: FileReader, type: number): string | number | boolean | readonly number[] | { length: number } {
  if (type === TYPE.string) return file.text();
  if (type === TYPE.bool) return file.number(TYPE.uint8) !== 0;
  if (type !== TYPE.array) return file.number(type);
  const of = file.number(TYPE.uint32);
  const length = file.number(10);
  if (of === TYPE.string) {
    for (let at = 0; at < length; at++) file.skip(file.number(10));
    return { length };
  }
  const size = SIZES[of];
  if (size === undefined) throw new CutOff();
  if (length <= LONGEST_NUMBER_ARRAY) return Array.from({ length }, () => file.number(of));
  file.skip(length * size);
  return { length };
}

class CutOff extends Error {}

/** Walks through the file in pieces. */
class FileReader {
  readonly #fd: number;
  #bytes = Buffer.alloc(0);
  /** Where `#bytes` begins in the file, and where the reader stands in it. */
  #from = 0;
  #at = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Little-endian, of one of the types that are numbers. */
  number(type: number): number {
    const size = SIZES[type];
    if (size === undefined) throw new CutOff();
    const bytes = this.#take(size);
    if (type === TYPE.float32) return bytes.readFloatLE(0);
    if (type === 12) return bytes.readDoubleLE(0);
    if (size === 8) return Number(type === 11 ? bytes.readBigInt64LE(0) : bytes.readBigUInt64LE(0));
    return type === TYPE.int8 || type === TYPE.int16 || type === TYPE.int32
      ? bytes.readIntLE(0, size)
      : bytes.readUIntLE(0, size);
  }

  text(): string {
    return this.#take(this.number(10)).toString("utf8");
  }

  skip(bytes: number): void {
    this.#at += bytes;
    if (this.#from + this.#at > MOST_BYTES) throw new CutOff();
  }

  #take(size: number): Buffer {
    if (size > MOST_BYTES) throw new CutOff();
    if (this.#at + size > this.#bytes.length) {
      this.#from += this.#at;
      this.#at = 0;
      if (this.#from > MOST_BYTES) throw new CutOff();
      const bytes = Buffer.alloc(Math.max(CHUNK_BYTES, size));
      this.#bytes = bytes.subarray(0, readSync(this.#fd, bytes, 0, bytes.length, this.#from));
      if (this.#bytes.length < size) throw new CutOff();
    }
    const taken = this.#bytes.subarray(this.#at, this.#at + size);
    this.#at += size;
    return taken;
  }
}
