/** Names in lower case; repeated ones are joined by a comma, as RFC 9110, section 5.3 says. */
export type HeaderFields = ReadonlyMap<string, string>;

const COLON = 0x3a;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * The header lines of a message, without its first line and without the empty last one. Null when they are no header
 * lines: a name that is no token, a folded line, a NUL. Strict on purpose, since what two programs read differently can
 * be used to smuggle one message into another (RFC 9112, section 11.2).
 */
export function parseFields(text: string): HeaderFields | null {
  const fields = new Map<string, string>();
  let start = 0;
  while (start < text.length) {
    let end = text.indexOf("\r\n", start);
    if (end < 0) end = text.length;
    const colon = text.indexOf(":", start);
    if (colon <= start || colon > end || text.charCodeAt(colon) !== COLON) return null;
    const name = text.slice(start, colon);
    if (!TOKEN.test(name)) return null;
    const value = text.slice(colon + 1, end).trim();
    if (/[\0\r\n]/.test(value)) return null;
    const key = name.toLowerCase();
    const before = fields.get(key);
    fields.set(key, before === undefined ? value : `${before}, ${value}`);
    start = end + 2;
  }
  return fields;
}

/** How a body's end is found. `close`: it goes on to the end of the connection. Null: contradictory or unreadable. */
export type Framing =
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "close" };

const CHUNKED: Framing = { kind: "chunked" };
const CLOSE: Framing = { kind: "close" };

/** RFC 9112, section 6.3. A length beside chunks, or two lengths that differ, are refused rather than guessed at. */
export function framingOf(fields: HeaderFields): Framing | null {
  const transfer = fields.get("transfer-encoding");
  const length = fields.get("content-length");
  if (transfer !== undefined) return transfer.toLowerCase() === "chunked" && length === undefined ? CHUNKED : null;
  if (length === undefined) return CLOSE;
  return /^\d{1,15}$/.test(length) ? { kind: "length", bytes: Number(length) } : null;
}
