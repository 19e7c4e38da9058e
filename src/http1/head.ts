/** Names in lower case; repeated ones are joined by a comma, as RFC 9110, section 5.3 says. */
export type HeaderFields = ReadonlyMap<string, string>;

const COLON = 0x3a;
const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
/** By character code: may it stand in a name (RFC 9110, section 5.6.2)? */
const TOKEN: readonly boolean[] = Array.from({ length: 128 }, (_, code) =>
  /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(code)),
);

/**
 * The header lines of a message, without its first line and without the empty last one. Null when they are no header
 * lines: a name that is no token, a folded line, a NUL. Strict on purpose, since what two programs read differently can
 * be used to smuggle one message into another (RFC 9112, section 11.2). Runs twice for every request.
 */
export function parseFields(text: string): HeaderFields | null {
  const fields = new Map<string, string>();
  const { length } = text;
  let at = 0;
  while (at < length) {
    const nameStart = at;
    while (at < length && TOKEN[text.charCodeAt(at)] === true) at += 1;
    if (at === nameStart || text.charCodeAt(at) !== COLON) return null;
    const name = text.slice(nameStart, at).toLowerCase();
    at += 1;
    while (isBlank(text.charCodeAt(at))) at += 1;
    const valueStart = at;
    let valueEnd = at;
    for (; at < length; at += 1) {
      const code = text.charCodeAt(at);
      if (code === CR) break;
      if (code === LF || code === 0) return null;
      if (!isBlank(code)) valueEnd = at + 1;
    }
    if (at < length && text.charCodeAt(at + 1) !== LF) return null;
    at += 2;
    const value = text.slice(valueStart, valueEnd);
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return fields;
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
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
