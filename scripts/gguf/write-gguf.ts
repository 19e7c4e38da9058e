import { rename, rm, writeFile } from "node:fs/promises";

/** One metadata value. GGUF has more types; these are the ones that a small model needs. */
export type GgufValue =
  | { readonly type: "u32" | "i32" | "f32"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "i32[]" | "f32[]"; readonly value: readonly number[] }
  | { readonly type: "string[]"; readonly value: readonly string[] };

/** What stands of a tensor in the file's head. `shape` is in GGUF's order: the first dimension is the contiguous one. */
export interface GgufTensorInfo {
  readonly name: string;
  readonly shape: readonly number[];
  /** Absent: `f32`. `q4_0` packs 32 neighbours into 18 bytes, so the first dimension must be a multiple of that. */
  readonly type?: "f32" | "q4_0";
}

export interface GgufTensor extends GgufTensorInfo {
  readonly data: Float32Array;
}

const VERSION = 3;
const ALIGNMENT_BYTES = 32;
const TENSOR_CODE = { f32: 0, q4_0: 2 } as const;
const TYPE_CODE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;

/** The bytes of a GGUF version 3 file. The same input gives the same bytes. */
export function encodeGguf(
  metadata: readonly (readonly [string, GgufValue])[],
  tensors: readonly GgufTensor[],
): Uint8Array {
  const parts: Uint8Array[] = [encodeHead(metadata, tensors)];
  for (const { data, type } of tensors) {
    const bytes = type === "q4_0" ? packQ4(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    parts.push(bytes, Buffer.alloc(padding(bytes.length)));
  }
  return Buffer.concat(parts);
}

/** All that comes before the tensors' data. */
export function encodeHead(
  metadata: readonly (readonly [string, GgufValue])[],
  tensors: readonly GgufTensorInfo[],
): Uint8Array {
  const infos: Buffer[] = [];
  let offset = 0;
  for (const tensor of tensors) {
    const { name, shape, type = "f32" } = tensor;
    infos.push(text(name), u32(shape.length), ...shape.map(u64), u32(TENSOR_CODE[type]), u64(offset));
    const bytes = tensorBytes(tensor);
    offset += bytes + padding(bytes);
  }
  const head = Buffer.concat([
    Buffer.from("GGUF"),
    u32(VERSION),
    u64(tensors.length),
    u64(metadata.length),
    ...metadata.flatMap(([key, value]) => [text(key), encodeValue(value)]),
    ...infos,
  ]);
  return Buffer.concat([head, Buffer.alloc(padding(head.length))]);
}

export function tensorBytes({ shape, type }: GgufTensorInfo): number {
  const elements = shape.reduce((product, length) => product * length, 1);
  return type === "q4_0" ? (elements / Q4_BLOCK) * Q4_BLOCK_BYTES : elements * Float32Array.BYTES_PER_ELEMENT;
}

const Q4_BLOCK = 32;
const Q4_BLOCK_BYTES = 18;

/** ggml's Q4_0: a 16-bit scale, then 32 numbers of four bits, the second half in the high bits of the first. */
function packQ4(data: Float32Array): Buffer {
  const bytes = Buffer.alloc((data.length / Q4_BLOCK) * Q4_BLOCK_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let block = 0; block * Q4_BLOCK < data.length; block++) {
    const values = data.subarray(block * Q4_BLOCK, (block + 1) * Q4_BLOCK);
    let largest = 0;
    for (const value of values) if (Math.abs(value) > Math.abs(largest)) largest = value;
    const scale = largest / -8;
    const at = block * Q4_BLOCK_BYTES;
    view.setFloat16(at, scale, true);
    const level = (index: number): number =>
      scale === 0 ? 8 : Math.min(15, Math.round((values[index] ?? 0) / scale) + 8);
    for (let index = 0; index < Q4_BLOCK / 2; index++) {
      bytes[at + 2 + index] = level(index) | (level(index + Q4_BLOCK / 2) << 4);
    }
  }
  return bytes;
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
