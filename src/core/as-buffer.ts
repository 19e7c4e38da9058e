/** The same bytes with a `Buffer`'s native searches; nothing is copied, and a `Buffer` is given back as it is. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
