import type { EngineAnswer } from "../core/engine-answer.ts";

/** An engine's answer as a stream that is read no faster than it is taken; `over` is called once, at whatever end. */
export function answerStream(answer: EngineAnswer, over: () => void): ReadableStream<Uint8Array> | null {
  const { pushed } = answer;
  if (pushed === undefined) {
    if (answer.body === null) over();
    return answer.body?.pipeThrough(new TransformStream({ flush: over })) ?? null;
  }
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        pushed.consume({
          piece(bytes) {
            controller.enqueue(bytes);
            if ((controller.desiredSize ?? 0) <= 0) pushed.pause();
          },
          end(whole) {
            over();
            if (whole) controller.close();
            else controller.error(new Error("the engine broke off its answer"));
          },
        });
      },
      pull: () => pushed.resume(),
      cancel() {
        over();
        pushed.cancel();
      },
    },
    { highWaterMark: 1 },
  );
}
