import type { RawSocket } from "../raw-socket.ts";

const MAX_LINE_CHARS = 64 * 1024;

export interface LineHandlers {
  /** Null: that was no JSON. */
  line(value: unknown): void;
  close(): void;
}

/** Reads a connection as one JSON value a line. A line without end closes it. */
export function readLines(socket: RawSocket, handlers: LineHandlers): void {
  const decoder = new TextDecoder();
  let rest = "";
  socket.attach({
    data(chunk) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) handlers.line(parseJson(line));
      if (rest.length > MAX_LINE_CHARS) socket.destroy();
    },
    close: () => handlers.close(),
  });
}

/** The first line alone; what comes after it stays in the connection. Null: it ended, or the signal fired. */
export function readFirstLine(socket: RawSocket, signal: AbortSignal): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  let seen: Uint8Array = new Uint8Array();
  const abort = (): void => socket.destroy();
  signal.addEventListener("abort", abort);
  const settle = (value: unknown): void => {
    signal.removeEventListener("abort", abort);
    resolve(value);
  };
  if (signal.aborted) abort();
  socket.attach({
    data(chunk) {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const end = seen.indexOf(0x0a);
      if (end < 0) {
        if (seen.length > MAX_LINE_CHARS) socket.destroy();
        return;
      }
      socket.detach(seen.subarray(end + 1));
      settle(parseJson(Buffer.from(seen.subarray(0, end)).toString("utf8")));
    },
    close: () => settle(null),
  });
  return promise;
}

export function writeLine(socket: RawSocket, value: unknown): void {
  socket.write(Buffer.from(`${JSON.stringify(value)}\n`));
}

/** Null: that is none. */
export function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
