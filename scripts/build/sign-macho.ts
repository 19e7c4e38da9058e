import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const MAGIC_64 = 0xfeedfacf;
const SEGMENT = 0x19;
const CODE_SIGNATURE = 0x1d;
const SUPER_BLOB = 0xfade0cc0;
const CODE_DIRECTORY = 0xfade0c02;
const VERSION = 0x20400;
/** Ad hoc, as a linker does it: nobody's name, and no hardened runtime, which would forbid the compiling of scripts. */
const FLAGS = 0x20002;
const SHA_256 = 2;
const PAGE_BITS = 12;
const PAGE = 1 << PAGE_BITS;
const HASH_BYTES = 32;
const HEADER_BYTES = 88;
const BLOB_INDEX_BYTES = 20;
const MAIN_BINARY = 1n;

/**
 * Signs a Mach-O executable ad hoc, in place, where its signature does not hold. macOS ends a process whose code is not
 * what its signature says; Bun signs what it compiles for Apple's own chips, but for Intel it leaves the signature of its
 * own executable on (oven-sh/bun issue 39837).
 */
export function ensureSigned(path: string, identifier: string): void {
  const file = readFileSync(path);
  if (isSigned(file)) return;
  const signed = sign(file, identifier);
  if (!isSigned(signed)) throw new Error(`${path} could not be signed`);
  writeFileSync(path, signed);
}

/** Whether every page has the hash that its signature says, up to where the signature begins. */
export function isSigned(file: Buffer): boolean {
  const { signatureAt } = loadCommands(file);
  const at = codeDirectoryAt(file, signatureAt);
  if (at === null || file.readUInt8(at + 37) !== SHA_256) return false;
  const hashes = at + file.readUInt32BE(at + 16);
  const slots = file.readUInt32BE(at + 28);
  const limit = file.readUInt32BE(at + 32);
  if (limit !== signatureAt || slots !== Math.ceil(limit / PAGE)) return false;
  return pageHashes(file.subarray(0, limit)).equals(file.subarray(hashes, hashes + slots * HASH_BYTES));
}

/** Gives the file with a signature of its own in place of the one that it has. */
export function sign(file: Buffer, identifier: string): Buffer {
  const { signatureCommandAt, signatureAt: limit, linkEditAt, textAt } = loadCommands(file);
  const name = Buffer.from(`${identifier}\0`);
  const slots = Math.ceil(limit / PAGE);
  const directoryBytes = HEADER_BYTES + name.length + slots * HASH_BYTES;
  const blobBytes = BLOB_INDEX_BYTES + directoryBytes;
  const signatureBytes = roundUp(blobBytes, 16);
  const signed = Buffer.alloc(limit + signatureBytes);
  file.copy(signed, 0, 0, limit);

  signed.writeUInt32LE(signatureBytes, signatureCommandAt + 12);
  const linkEditBytes = BigInt(signed.length) - signed.readBigUInt64LE(linkEditAt + 40);
  const inMemory = signed.readBigUInt64LE(linkEditAt + 32);
  if (linkEditBytes > inMemory)
    signed.writeBigUInt64LE(BigInt(roundUp(Number(linkEditBytes), 0x4000)), linkEditAt + 32);
  signed.writeBigUInt64LE(linkEditBytes, linkEditAt + 48);

  const words = [SUPER_BLOB, blobBytes, 1, 0, BLOB_INDEX_BYTES];
  const hashesAt = HEADER_BYTES + name.length;
  words.push(CODE_DIRECTORY, directoryBytes, VERSION, FLAGS, hashesAt, HEADER_BYTES, 0, slots, limit);
  let at = limit;
  for (const word of words) at = signed.writeUInt32BE(word, at);
  signed.set([HASH_BYTES, SHA_256, 0, PAGE_BITS], at);
  const segment = limit + BLOB_INDEX_BYTES + 64;
  signed.writeBigUInt64BE(signed.readBigUInt64LE(textAt + 40), segment);
  signed.writeBigUInt64BE(signed.readBigUInt64LE(textAt + 48), segment + 8);
  signed.writeBigUInt64BE(MAIN_BINARY, segment + 16);
  name.copy(signed, limit + BLOB_INDEX_BYTES + HEADER_BYTES);
  // Last: the commands above are in the first page.
  pageHashes(signed.subarray(0, limit)).copy(signed, limit + BLOB_INDEX_BYTES + hashesAt);
  return signed;
}

interface LoadCommands {
  readonly signatureCommandAt: number;
  readonly signatureAt: number;
  readonly linkEditAt: number;
  readonly textAt: number;
}

function loadCommands(file: Buffer): LoadCommands {
  if (file.readUInt32LE(0) !== MAGIC_64) throw new Error("this is no 64-bit Mach-O file");
  const found = new Map<string, number>();
  let at = 32;
  for (let left = file.readUInt32LE(16); left > 0; left--) {
    const kind = file.readUInt32LE(at);
    if (kind === CODE_SIGNATURE) found.set("signature", at);
    if (kind === SEGMENT) found.set(file.toString("latin1", at + 8, at + 24).replaceAll("\0", ""), at);
    at += file.readUInt32LE(at + 4);
  }
  const [signature, linkEdit, text] = ["signature", "__LINKEDIT", "__TEXT"].map((name) => found.get(name));
  if (signature === undefined || linkEdit === undefined || text === undefined) {
    throw new Error("this Mach-O file has no room for a signature");
  }
  return {
    signatureCommandAt: signature,
    signatureAt: file.readUInt32LE(signature + 8),
    linkEditAt: linkEdit,
    textAt: text,
  };
}

function codeDirectoryAt(file: Buffer, signatureAt: number): number | null {
  if (signatureAt + 12 > file.length || file.readUInt32BE(signatureAt) !== SUPER_BLOB) return null;
  for (let index = 0; index < file.readUInt32BE(signatureAt + 8); index++) {
    const at = signatureAt + file.readUInt32BE(signatureAt + 16 + 8 * index);
    if (file.readUInt32BE(at) === CODE_DIRECTORY) return at;
  }
  return null;
}

/** The last page may be a short one. */
function pageHashes(code: Buffer): Buffer {
  const hashes: Buffer[] = [];
  for (let at = 0; at < code.length; at += PAGE) {
    hashes.push(
      createHash("sha256")
        .update(code.subarray(at, at + PAGE))
        .digest(),
    );
  }
  return Buffer.concat(hashes);
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
