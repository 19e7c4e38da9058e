import { type HeaderFields, parseFields } from "./head.ts";

export interface RequestHead {
  readonly method: string;
  /** As it was sent, query included. */
  readonly target: string;
  readonly fields: HeaderFields;
}

/** Null: not a request of HTTP/1.1 with strict header lines. `text` is the head without its empty line. */
export function parseRequestHead(text: string): RequestHead | null {
  const lineEnd = text.indexOf("\r\n");
  if (lineEnd < 0 || !text.startsWith(" HTTP/1.1", lineEnd - 9)) return null;
  const space = text.indexOf(" ");
  const method = text.slice(0, space);
  const target = text.slice(space + 1, lineEnd - 9);
  if (!/^[A-Z]+$/.test(method) || target === "" || target.includes(" ")) return null;
  const fields = parseFields(text.slice(lineEnd + 2));
  return fields === null ? null : { method, target, fields };
}
