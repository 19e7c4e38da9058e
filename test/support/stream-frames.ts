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
      const data = frame.match(/^data: ?(.*)$/m)?.[1] ?? "";
      const event = frame.match(/^event: ?(.*)$/m)?.[1] ?? null;
      return { event, data: data === "[DONE]" ? data : (JSON.parse(data) as Record<string, unknown>) };
    });
}
