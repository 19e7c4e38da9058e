const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";

/** `<prefix>_` and `length` random characters of [0-9a-z] (5.17 bits each): ids of records, not secrets. */
export function newId(prefix: string, length = 16): string {
  const random = crypto.getRandomValues(new Uint8Array(length));
  let id = `${prefix}_`;
  for (const byte of random) id += ALPHABET[byte % 36];
  return id;
}
