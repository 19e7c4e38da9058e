export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
  /** The last id that the stream gave, up to here. */
  readonly id: string | null;
}

/**
 * The events of a stream; comments are left out. Ends when the stream does, and throws what reading it throws. A stream
 * that is silent for `silenceMs`, heartbeats included, is taken for dead and ends too.
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  silenceMs: number,
): AsyncGenerator<ServerSentEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let pending = "";
  let event = "message";
  let data: string[] = [];
  let id: string | null = null;
  try {
    for (;;) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const silence = new Promise<null>((resolve) => {
        timer = setTimeout(resolve, silenceMs, null);
      });
      const chunk = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
      if (chunk === null || chunk.done) return;
      pending += decoder.decode(chunk.value, { stream: true });
      const lines = pending.split(/\r?\n/);
      pending = lines.pop() ?? "";
      for (const line of lines) {
        const [, field, value = ""] = /^([^:]+)(?:: ?(.*))?$/.exec(line) ?? [];
        if (field === "event") event = value;
        if (field === "data") data.push(value);
        if (field === "id") id = value;
        if (line !== "") continue;
        if (data.length > 0) yield { event, data: data.join("\n"), id };
        event = "message";
        data = [];
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
