import type { Reply, ReplyStream } from "../core/reply.ts";

/** The reply for a server that speaks in `Response`s. */
export function toResponse({ status, headers, own, body }: Reply): Response {
  const init = { status, headers: own === undefined ? headers : { ...headers, ...own } };
  if (typeof body === "string" || body instanceof Uint8Array) return new Response(body as BodyInit, init);
  return new Response(streamOf(body), init);
}

function streamOf(reply: ReplyStream): ReadableStream<Uint8Array> {
  let full = false;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      reply.flow({
        write(bytes) {
          controller.enqueue(bytes);
          full = (controller.desiredSize ?? 0) <= 0;
          return !full;
        },
        end(last) {
          if (last !== null) controller.enqueue(last);
          controller.close();
        },
      });
    },
    pull() {
      if (!full) return;
      full = false;
      reply.drained();
    },
    cancel() {
      reply.hangUp();
    },
  });
}
