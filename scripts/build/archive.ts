import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, lstatSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

const BLOCK = 512;
/** The first of January 1980: the same files give the same archive, whenever and by whomever they are packed. */
const MTIME_S = 315_532_800;

/** Packs a folder under its own name: sorted, nobody's files, one time for all. */
export async function packFolder(folder: string, archive: string): Promise<void> {
  await pipeline(Readable.from(tarBlocks(folder)), createGzip(), createWriteStream(archive));
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

async function* tarBlocks(folder: string): AsyncGenerator<Uint8Array> {
  for (const { path, name, directory } of entriesOf(folder, basename(folder))) {
    const { size, mode } = lstatSync(path);
    const executable = directory || (mode & 0o100) !== 0;
    yield header(name, directory ? 0 : size, executable ? 0o755 : 0o644, directory ? "5" : "0");
    if (directory) continue;
    for await (const piece of createReadStream(path)) yield piece as Buffer;
    if (size % BLOCK !== 0) yield new Uint8Array(BLOCK - (size % BLOCK));
  }
  yield new Uint8Array(2 * BLOCK);
}

interface Entry {
  readonly path: string;
  readonly name: string;
  readonly directory: boolean;
}

function* entriesOf(path: string, name: string): Generator<Entry> {
  const stat = lstatSync(path);
  if (!stat.isDirectory()) {
    if (!stat.isFile()) throw new Error(`${path} is neither a file nor a folder`);
    yield { path, name, directory: false };
    return;
  }
  yield { path, name: `${name}/`, directory: true };
  // By bytes, not by the machine's language.
  const children = readdirSync(path).toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const child of children) yield* entriesOf(join(path, child), `${name}/${child}`);
}

/** A ustar header. */
function header(name: string, size: number, mode: number, type: "0" | "5"): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  const [prefix, rest] = splitName(name);
  const octal = (value: number, at: number, length: number): void => {
    block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
  };
  block.write(rest, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(MTIME_S, 136, 12);
  block.write(" ".repeat(8), 148);
  block.write(type, 156);
  block.write("ustar\u000000", 257, "latin1");
  block.write("root", 265);
  block.write("root", 297);
  block.write(prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** Names over 100 bytes are cut at a slash: the front part has a field of its own. */
function splitName(name: string): [prefix: string, rest: string] {
  if (Buffer.byteLength(name) <= 100) return ["", name];
  for (let at = name.indexOf("/"); at > 0; at = name.indexOf("/", at + 1)) {
    const [prefix, rest] = [name.slice(0, at), name.slice(at + 1)];
    if (rest !== "" && Buffer.byteLength(rest) <= 100 && Buffer.byteLength(prefix) <= 155) return [prefix, rest];
  }
  throw new Error(`${name} is too long for an archive`);
}
