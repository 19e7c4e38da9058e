const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";

/** `<prefix>_` and `length` random characters of [0-9a-z] (5.17 bits each): ids of records, not secrets. */
export function newId(prefix: string, length = 16): string {
  const random = crypto.getRandomValues(new Uint8Array(length));
  let id = `${prefix}_`;
  for (const byte of random) id += ALPHABET[byte % 36];
  return id;
}

/**
 * The id of one request: `req_`, nine characters of time, eleven random ones. Ids of one moment lie side by side in an
 * index, so that writing them down costs the same however many there are.
 */
export function newRequestId(now = Date.now()): string {
  const time = now.toString(36).padStart(9, "0");
  const random = crypto.getRandomValues(new Uint8Array(11));
  let id = `req_${time}`;
  for (const byte of random) id += ALPHABET[byte % 36];
  return id;
}
