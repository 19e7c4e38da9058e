import type { ByteStream } from "../link.ts";
import type { RawSocket } from "../raw-socket.ts";

/** A raw connection as a pair of streams: one chunk is read ahead, and a write waits for room. */
export function toByteStream(socket: RawSocket, signal: AbortSignal): ByteStream {
  let room = Promise.withResolvers<void>();
  room.resolve();
  const abort = (): void => socket.destroy();
  signal.addEventListener("abort", abort);
  const readable = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        socket.attach({
          data(chunk) {
            controller.enqueue(chunk);
            if ((controller.desiredSize ?? 0) <= 0) socket.pause();
          },
          drain: () => room.resolve(),
          close() {
            signal.removeEventListener("abort", abort);
            room.resolve();
            // Already closed where the reader gave up.
            try {
              controller.close();
            } catch {
              return;
            }
          },
        });
      },
      pull: () => socket.resume(),
      cancel: () => socket.destroy(),
    },
    { highWaterMark: 1 },
  );
  const writable = new WritableStream<Uint8Array>({
    async write(chunk) {
      if (socket.closed) throw new Error("the connection is closed");
      if (socket.write(chunk)) return;
      room = Promise.withResolvers<void>();
      await room.promise;
    },
    close: () => socket.end(),
    abort: () => socket.destroy(),
  });
  return { readable, writable };
}
