/** Values by name, row after row. */
export interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** A `.safetensors` file: the length of its header, the header as JSON, the values. */
export function encodeSafetensors(tensors: readonly Tensor[]): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: "mlx" } };
  const pieces: Uint8Array[] = [];
  let offset = 0;
  for (const { name, shape, values } of tensors) {
    pieces.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    header[name] = { dtype: "F32", shape, data_offsets: [offset, offset + values.byteLength] };
    offset += values.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  return new Uint8Array(Buffer.concat([length, text, ...pieces]));
}
