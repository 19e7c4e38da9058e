/** A comment frame: keeps proxies and clients from giving up on a quiet stream; every SSE client skips it. */
export const KEEP_ALIVE = ": keep-alive\n\n";

/** The end mark of OpenAI's streams. */
export const DONE_FRAME = "data: [DONE]\n\n";

/** `json` is one line of JSON text, which never holds a raw line feed. */
export function dataFrame(json: string): string {
  return `data: ${json}\n\n`;
}

export function eventFrame(event: string, json: string): string {
  return `event: ${event}\ndata: ${json}\n\n`;
}
