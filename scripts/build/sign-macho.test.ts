import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureSigned, isSigned, sign } from "./sign-macho.ts";

const base = mkdtempSync(join(tmpdir(), "flock-macho-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const CODE_BYTES = 10_000;
const OLD_SIGNATURE_BYTES = 64;

/** The smallest Mach-O file that has what a signature needs: two segments and a command that says where it is. */
function unsigned(): Buffer {
  const file = Buffer.alloc(CODE_BYTES + OLD_SIGNATURE_BYTES, 7);
  file.fill(0, 0, 32 + 72 + 72 + 16);
  file.writeUInt32LE(0xfeedfacf, 0);
  file.writeUInt32LE(3, 16);
  let at = 32;
  for (const [name, offset, bytes] of [
    ["__TEXT", 0, 8000],
    ["__LINKEDIT", 8000, CODE_BYTES + OLD_SIGNATURE_BYTES - 8000],
  ] as const) {
    file.writeUInt32LE(0x19, at);
    file.writeUInt32LE(72, at + 4);
    file.write(name, at + 8);
    file.writeBigUInt64LE(16_384n, at + 32);
    file.writeBigUInt64LE(BigInt(offset), at + 40);
    file.writeBigUInt64LE(BigInt(bytes), at + 48);
    at += 72;
  }
  file.writeUInt32LE(0x1d, at);
  file.writeUInt32LE(16, at + 4);
  file.writeUInt32LE(CODE_BYTES, at + 8);
  file.writeUInt32LE(OLD_SIGNATURE_BYTES, at + 12);
  return file;
}

test("a signature that does not hold is replaced by one that does, and the segment ends with it", () => {
  const file = unsigned();
  expect(isSigned(file)).toBe(false);
  const signed = sign(file, "flock");
  expect(isSigned(signed)).toBe(true);
  expect(Number(signed.readBigUInt64LE(32 + 72 + 48))).toBe(signed.length - 8000);
  expect(signed.readUInt32LE(32 + 72 + 72 + 12)).toBe(signed.length - CODE_BYTES);
});

test("one changed byte of the code breaks it, also in the last, short page", () => {
  for (const at of [300, 4096, CODE_BYTES - 1]) {
    const signed = sign(unsigned(), "flock");
    signed.writeUInt8(signed.readUInt8(at) ^ 1, at);
    expect([at, isSigned(signed)]).toEqual([at, false]);
  }
});

test("a file that is signed already stays as it is", () => {
  const path = join(base, "program");
  writeFileSync(path, sign(unsigned(), "somebody"));
  const before = readFileSync(path);
  ensureSigned(path, "flock");
  expect(readFileSync(path).equals(before)).toBe(true);
});

test("what is no Mach-O file is refused", () => {
  expect(() => sign(Buffer.alloc(64), "flock")).toThrow("no 64-bit Mach-O file");
});
