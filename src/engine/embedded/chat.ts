import type { Clock } from "../../core/clock.ts";
import type { Token } from "node-llama-cpp";
import { newId } from "../../core/id.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { endFrames, roleFrame, textFrame, wholeAnswer, type AnswerHead } from "./chat-answer.ts";
import { parseChatBody, type ChatCall } from "./chat-body.ts";
import { contextExceeded, errorResponse, serverError, unavailable, type EngineError } from "./engine-error.ts";
import { generate, type GenerateEvent } from "./generate.ts";
import type { LoadedModel } from "./load-model.ts";
import type { Requests, RunningRequest } from "./requests.ts";

export interface ChatContext {
  readonly loaded: LoadedModel;
  readonly modelId: string;
  readonly requests: Requests;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

/**
 * Longer texts are refused by their size: no vocabulary has tokens of more characters on average, and turning
 * megabytes into tokens would stop every other answer meanwhile.
 */
const MAX_CHARACTERS_PER_TOKEN = 64;
const USUAL_CHARACTERS_PER_TOKEN = 4;
const CLIENT_CLOSED_REQUEST = 499;

/** The number of prompt tokens of a chat, exactly as `chat` would evaluate them. */
export function countTokens(input: unknown, context: ChatContext): Result<number, EngineError> {
  const call = parseChatBody(input);
  if (!call.ok) return call;
  const tokens = context.loaded.template.render(call.value.turns);
  return tokens.ok ? ok(tokens.value.length) : tokens;
}

/** `POST /v1/chat/completions`. The status is decided with the first piece of text: errors before it keep theirs. */
export async function chat(input: unknown, context: ChatContext, clientSignal: AbortSignal): Promise<Response> {
  const call = parseChatBody(input);
  if (!call.ok) return errorResponse(call.error);
  const tokens = promptTokens(call.value, context.loaded);
  if (!tokens.ok) return errorResponse(tokens.error);
  const { loaded, clock, requests } = context;
  const running = requests.begin(clientSignal);
  const room = loaded.contextTokens - tokens.value.length;
  const job = {
    tokens: tokens.value,
    maxTokens: Math.min(call.value.maxTokens ?? room, room),
    stop: call.value.stop,
    sampling: call.value.sampling,
  };
  const events = generate(loaded, job, requests.counters, clock, running.signal);
  const head: AnswerHead = {
    id: newId("chatcmpl", 32).replace("_", "-"),
    created: Math.floor(clock.now() / 1000),
    model: call.value.model ?? context.modelId,
    system_fingerprint: `llama.cpp-${loaded.llamaCppRelease}`,
  };
  const headers: Record<string, string> =
    call.value.ignored.length > 0 ? { "x-flock-adjusted": `ignored ${call.value.ignored.join(" ")}` } : {};
  try {
    if (call.value.stream) {
      const first = await events.next();
      const body = streamOf(events, first, head, call.value.includeUsage, running, context);
      return new Response(body, { headers: { ...headers, "content-type": "text/event-stream" } });
    }
    let text = "";
    for await (const event of events) {
      if (event.type === "text") {
        text += event.text;
        continue;
      }
      running.end("finished");
      return Response.json(wholeAnswer(head, text, event), { headers });
    }
    throw new Error("the answer has no end");
  } catch (error) {
    running.end("failed");
    if (clientSignal.aborted) return new Response(null, { status: CLIENT_CLOSED_REQUEST });
    return errorResponse(failureOf(error, running, context));
  }
}

function promptTokens(call: ChatCall, loaded: LoadedModel): Result<Token[], EngineError> {
  const characters = call.turns.reduce((sum, turn) => sum + turn.text.length, 0);
  if (characters > loaded.contextTokens * MAX_CHARACTERS_PER_TOKEN) {
    return err(contextExceeded(Math.ceil(characters / USUAL_CHARACTERS_PER_TOKEN), loaded.contextTokens, true));
  }
  const tokens = loaded.template.render(call.turns);
  // One place at least must be left for the answer.
  if (tokens.ok && tokens.value.length >= loaded.contextTokens) {
    return err(contextExceeded(tokens.value.length, loaded.contextTokens));
  }
  return tokens;
}

/** Pulled by its reader: a slow client slows the model down and fills no memory. */
function streamOf(
  events: AsyncGenerator<GenerateEvent, void, undefined>,
  first: IteratorResult<GenerateEvent, void>,
  head: AnswerHead,
  includeUsage: boolean,
  running: RunningRequest,
  context: ChatContext,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let prefix = roleFrame(head);
  let next: IteratorResult<GenerateEvent, void> | null = first;
  let cancelled = false;
  // Frees the sequence also when the generator stands between two pieces and nobody pulls any more.
  const stopWork = async (): Promise<void> => {
    await settle(events);
    running.end("failed");
  };
  running.signal.addEventListener("abort", () => void stopWork(), { once: true });
  if (running.signal.aborted) void stopWork();
  const close = (controller: ReadableStreamDefaultController<Uint8Array>, frames: string): void => {
    controller.enqueue(encoder.encode(prefix + frames));
    controller.close();
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { value } = next ?? (await events.next());
          next = null;
          if (!value) throw new Error("the answer has no end");
          if (value.type === "text") {
            controller.enqueue(encoder.encode(prefix + textFrame(head, value.text)));
            prefix = "";
            return;
          }
          await settle(events);
          running.end("finished");
          close(controller, endFrames(head, value, includeUsage));
        } catch (error) {
          running.end("failed");
          if (cancelled) return;
          // The status is spent: the error is the last frame, and no [DONE] follows.
          close(controller, `data: ${JSON.stringify({ error: failureOf(error, running, context) })}\n\n`);
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
