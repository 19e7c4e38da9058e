const LENGTH = "\r\ncontent-length:";
const ZERO = 0x30;
const PLAIN_NUMBER = /^\d{1,9}$/;

/**
 * The head that came last on a connection, and what was made of it. Nearly every client and engine sends the same bytes
 * again, but for the length of the body: comparing them costs a fraction of parsing them anew.
 */
export class HeadMemo<Head> {
  #bytes: Buffer | null = null;
  #head: Head | null = null;
  /** Where the digits of its content-length stand. */
  #from = 0;
  #to = 0;
  #length = -1;

  /** What was made of the same head; null: it is another one. Then `length` says what this one's content-length is. */
  recall(bytes: Buffer, start: number, end: number): Head | null {
    const known = this.#bytes;
    if (known === null || end - start !== known.length) return null;
    if (known.compare(bytes, start, start + this.#from, 0, this.#from) !== 0) return null;
    if (known.compare(bytes, start + this.#to, end, this.#to) !== 0) return null;
    let length = this.#from === this.#to ? -1 : 0;
    for (let at = start + this.#from; at < start + this.#to; at += 1) {
      const digit = (bytes[at] ?? 0) - ZERO;
      if (digit < 0 || digit > 9) return null;
      length = length * 10 + digit;
    }
    this.#length = length;
    return this.#head;
  }

  /** The content-length of the head that was recalled last; -1: it has none. */
  get length(): number {
    return this.#length;
  }

  /** A head whose content-length is odd, or there twice, is not remembered. */
  remember(bytes: Buffer, start: number, end: number, head: Head): void {
    this.#bytes = null;
    const text = bytes.toString("latin1", start, end);
    const lower = text.toLowerCase();
    const at = lower.indexOf(LENGTH);
    let from = end - start;
    let to = from;
    if (at >= 0) {
      from = at + LENGTH.length;
      if (text.charCodeAt(from) === 0x20) from += 1;
      to = text.indexOf("\r", from);
      if (to < 0) to = text.length;
      if (lower.includes(LENGTH, from) || !PLAIN_NUMBER.test(text.slice(from, to))) return;
    }
    this.#bytes = Buffer.from(bytes.subarray(start, end));
    this.#head = head;
    this.#from = from;
    this.#to = to;
  }
}
