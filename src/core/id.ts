const ALPHABET = Buffer.from("0123456789abcdefghijklmnopqrstuvwxyz");

/** Bytes that were drawn and not used yet: each draw asks the system, and a request needs a few bytes only. */
const POOL = new Uint8Array(2048);
let used = POOL.length;

/** Characters of the alphabet from `at` to the end: one text is made of them, not one of each. */
function fillRandomly(bytes: Buffer, from: number): void {
  if (used + bytes.length > POOL.length) {
    crypto.getRandomValues(POOL);
    used = 0;
  }
  for (let at = from; at < bytes.length; at += 1) {
    bytes[at] = ALPHABET[(POOL[used] ?? 0) % ALPHABET.length] ?? 0;
    used += 1;
  }
}

/** `<prefix>_` and `length` random characters of [0-9a-z] (5.17 bits each): ids of records, not secrets. */
export function newId(prefix: string, length = 16): string {
  const characters = Buffer.allocUnsafe(length);
  fillRandomly(characters, 0);
  return `${prefix}_${characters.toString("latin1")}`;
}

const REQUEST_ID = Buffer.from("req_000000000___________");
const RANDOM_FROM = 13;
let lastMs = -1;

/**
 * The id of one request: `req_`, nine characters of time, eleven random ones. Ids of one moment lie side by side in an
 * index, so that writing them down costs the same however many there are.
 */
export function newRequestId(now = Date.now()): string {
  if (now !== lastMs) {
    lastMs = now;
    REQUEST_ID.write(now.toString(36).padStart(9, "0"), 4, "latin1");
  }
  fillRandomly(REQUEST_ID, RANDOM_FROM);
  return REQUEST_ID.toString("latin1");
}
