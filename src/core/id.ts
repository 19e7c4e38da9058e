const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";

/** Bytes that were drawn and not used yet: each draw asks the system, and a request needs a few bytes only. */
const POOL = new Uint8Array(2048);
let used = POOL.length;

function randomCharacters(count: number): string {
  if (used + count > POOL.length) {
    crypto.getRandomValues(POOL);
    used = 0;
  }
  let text = "";
  for (const end = used + count; used < end; used += 1) text += ALPHABET[(POOL[used] ?? 0) % 36];
  return text;
}

/** `<prefix>_` and `length` random characters of [0-9a-z] (5.17 bits each): ids of records, not secrets. */
export function newId(prefix: string, length = 16): string {
  return `${prefix}_${randomCharacters(length)}`;
}

let lastMs = -1;
let lastTime = "";

/**
 * The id of one request: `req_`, nine characters of time, eleven random ones. Ids of one moment lie side by side in an
 * index, so that writing them down costs the same however many there are.
 */
export function newRequestId(now = Date.now()): string {
  if (now !== lastMs) {
    lastMs = now;
    lastTime = now.toString(36).padStart(9, "0");
  }
  return `req_${lastTime}${randomCharacters(11)}`;
}
