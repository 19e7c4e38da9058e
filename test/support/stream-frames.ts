export interface Frame {
  readonly event: string | null;
  readonly data: Record<string, unknown> | "[DONE]";
}

/** The frames of a whole SSE stream; comments left out. */
export function readFrames(text: string): Frame[] {
  return text
    .split("\n\n")
    .filter((frame) => frame.includes("data:"))
    .map((frame) => {
      const data = fieldOf(frame, "data") ?? "";
      const event = fieldOf(frame, "event");
      return { event, data: data === "[DONE]" ? data : (JSON.parse(data) as Record<string, unknown>) };
    });
}

/** Lines end with a line feed here and nowhere else: a text may hold U+2028, which a regular expression takes for one. */
function fieldOf(frame: string, name: string): string | null {
  const line = frame.split("\n").find((one) => one.startsWith(`${name}:`));
  return line === undefined ? null : line.slice(name.length + 1).replace(/^ /, "");
}
