import type { Clock } from "../../core/clock.ts";
import { newId } from "../../core/id.ts";
import { ok, type Result } from "../../core/result.ts";
import { AnswerFrames, type AnswerHead, WholeAnswer } from "./chat-answer.ts";
import { parseChatBody } from "./chat-body.ts";
import { errorResponse, notSupported, serverError, unavailable, type EngineError } from "./engine-error.ts";
import { generate, type GenerateEvent } from "./generate.ts";
import type { LoadedModel } from "./load-model.ts";
import { planChat, promptOf } from "./plan-chat.ts";
import { canChat } from "./props.ts";
import type { Requests, RunningRequest } from "./requests.ts";

export interface ChatContext {
  readonly loaded: LoadedModel;
  readonly modelId: string;
  readonly requests: Requests;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

const CLIENT_CLOSED_REQUEST = 499;

/** The number of prompt tokens of a chat, exactly as `chat` would evaluate them. */
export function countTokens(input: unknown, context: ChatContext): Result<number, EngineError> {
  const call = parseChatBody(input);
  if (!call.ok) return call;
  const prompt = promptOf(call.value, context.loaded);
  return prompt.ok ? ok(prompt.value.tokens.length) : prompt;
}

/** `POST /v1/chat/completions`. The status is decided with the first piece of text: errors before it keep theirs. */
export async function chat(input: unknown, context: ChatContext, clientSignal: AbortSignal): Promise<Response> {
  const call = parseChatBody(input);
  if (!call.ok) return errorResponse(call.error);
  const { loaded, clock, requests } = context;
  if (!canChat(loaded)) {
    return errorResponse(notSupported("model", `chat with ${context.modelId}, which only reads, is`));
  }
  const job = await planChat(call.value, loaded);
  if (!job.ok) return errorResponse(job.error);
  const running = requests.begin(clientSignal);
  const events = generate(loaded, job.value, requests.counters, clock, running.signal);
  const head: AnswerHead = {
    id: newId("chatcmpl", 32).replace("_", "-"),
    created: Math.floor(clock.now() / 1000),
    model: call.value.model ?? context.modelId,
    system_fingerprint: `llama.cpp-${loaded.llamaCppRelease}`,
  };
  const ignored = [...call.value.ignored, ...(loaded.template.thinkingTags === null ? call.value.thinking.fields : [])];
  const headers: Record<string, string> =
    ignored.length > 0 ? { "x-flock-adjusted": `ignored ${ignored.join(" ")}` } : {};
  try {
    if (call.value.stream) {
      const first = await events.next();
      const body = streamOf(events, first, new AnswerFrames(head), call.value.includeUsage, running, context);
      return new Response(body, { headers: { ...headers, "content-type": "text/event-stream" } });
    }
    const answer = new WholeAnswer();
    for await (const event of events) {
      if (event.type !== "end") {
        answer.add(event);
        continue;
      }
      running.end("finished");
      return Response.json(answer.toBody(head, event, call.value.logprobs !== null), { headers });
    }
    throw new Error("the answer has no end");
  } catch (error) {
    running.end("failed");
    if (clientSignal.aborted) return new Response(null, { status: CLIENT_CLOSED_REQUEST });
    return errorResponse(failureOf(error, running, context));
  }
}

/** Pulled by its reader: a slow client slows the model down and fills no memory. */
function streamOf(
  events: AsyncGenerator<GenerateEvent, void, undefined>,
  first: IteratorResult<GenerateEvent, void>,
  frames: AnswerFrames,
  includeUsage: boolean,
  running: RunningRequest,
  context: ChatContext,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let next: IteratorResult<GenerateEvent, void> | null = first;
  let cancelled = false;
  // Frees the sequence also when the generator stands between two pieces and nobody pulls any more.
  const stopWork = async (): Promise<void> => {
    await settle(events);
    running.end("failed");
  };
  running.signal.addEventListener("abort", () => void stopWork(), { once: true });
  if (running.signal.aborted) void stopWork();
  const close = (controller: ReadableStreamDefaultController<Uint8Array>, last: string): void => {
    controller.enqueue(encoder.encode(last));
    controller.close();
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          for (;;) {
            const { value } = next ?? (await events.next());
            next = null;
            if (!value) throw new Error("the answer has no end");
            if (value.type === "end") {
              await settle(events);
              running.end("finished");
              close(controller, frames.end(value, includeUsage));
              return;
            }
            const frame = frames.part(value);
            if (frame === "") continue;
            controller.enqueue(encoder.encode(frame));
            return;
          }
        } catch (error) {
          running.end("failed");
          if (cancelled) return;
          // The status is spent: the error is the last frame, and no [DONE] follows.
          close(
            controller,
            `${frames.role()}data: ${JSON.stringify({ error: failureOf(error, running, context) })}\n\n`,
          );
        }
      },
      async cancel() {
        cancelled = true;
        running.abort();
        await stopWork();
      },
    },
    { highWaterMark: 1 },
  );
}

/** Lets the generator run its `finally`: the sequence is free before the client reads the end. */
async function settle(events: AsyncGenerator<GenerateEvent, void, undefined>): Promise<void> {
  await events.return(undefined).catch(() => undefined);
}

function failureOf(error: unknown, running: RunningRequest, context: ChatContext): EngineError {
  if (running.signal.aborted) return unavailable("the engine is shutting down");
  context.log(`a chat failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return serverError();
}
