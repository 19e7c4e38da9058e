import { rename, rm, writeFile } from "node:fs/promises";

/** One metadata value. GGUF has more types; these are the ones that a small model needs. */
export type GgufValue =
  | { readonly type: "u32" | "i32" | "f32"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "i32[]" | "f32[]"; readonly value: readonly number[] }
  | { readonly type: "string[]"; readonly value: readonly string[] };

/** `shape` is in GGUF's order: the first dimension is the contiguous one. Stored as F32. */
export interface GgufTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

const VERSION = 3;
const ALIGNMENT_BYTES = 32;
const F32_TENSOR = 0;
const TYPE_CODE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;

/** The bytes of a GGUF version 3 file. The same input gives the same bytes. */
export function encodeGguf(
  metadata: readonly (readonly [string, GgufValue])[],
  tensors: readonly GgufTensor[],
): Uint8Array {
  const infos: Buffer[] = [];
  let offset = 0;
  for (const { name, shape, data } of tensors) {
    infos.push(text(name), u32(shape.length), ...shape.map(u64), u32(F32_TENSOR), u64(offset));
    offset += data.byteLength + padding(data.byteLength);
  }
  const head = Buffer.concat([
    Buffer.from("GGUF"),
    u32(VERSION),
    u64(tensors.length),
    u64(metadata.length),
    ...metadata.flatMap(([key, value]) => [text(key), encodeValue(value)]),
    ...infos,
  ]);
  const parts: Uint8Array[] = [head, Buffer.alloc(padding(head.length))];
  for (const { data } of tensors) {
    // The format is little-endian, as is every machine that Bun runs on.
    parts.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength), Buffer.alloc(padding(data.byteLength)));
  }
  return Buffer.concat(parts);
}

/** Readers see the old file or the whole new one, never a part. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const unfinished = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(unfinished, bytes);
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

function encodeValue(value: GgufValue): Buffer {
  switch (value.type) {
    case "u32":
      return Buffer.concat([u32(TYPE_CODE.u32), u32(value.value)]);
    case "i32":
      return Buffer.concat([u32(TYPE_CODE.i32), i32(value.value)]);
    case "f32":
      return Buffer.concat([u32(TYPE_CODE.f32), f32(value.value)]);
    case "bool":
      return Buffer.concat([u32(TYPE_CODE.bool), Buffer.from([value.value ? 1 : 0])]);
    case "string":
      return Buffer.concat([u32(TYPE_CODE.string), text(value.value)]);
    case "i32[]":
      return array(TYPE_CODE.i32, value.value.map(i32));
    case "f32[]":
      return array(TYPE_CODE.f32, value.value.map(f32));
    default:
      return array(TYPE_CODE.string, value.value.map(text));
  }
}

function array(elementType: number, elements: readonly Buffer[]): Buffer {
  return Buffer.concat([u32(TYPE_CODE.array), u32(elementType), u64(elements.length), ...elements]);
}

function padding(bytes: number): number {
  return (ALIGNMENT_BYTES - (bytes % ALIGNMENT_BYTES)) % ALIGNMENT_BYTES;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
