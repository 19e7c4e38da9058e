import type { Clock } from "../../core/clock.ts";
import { errorResponse, serverError, unavailable, type EngineError } from "./engine-error.ts";
import { generate, type GenerateEnd, type GenerateEvent, type GenerateJob } from "./generate.ts";
import type { LoadedModel } from "./load-model.ts";
import type { Requests, RunningRequest } from "./requests.ts";

/** What all work of the engine needs. */
export interface WorkContext {
  readonly loaded: LoadedModel;
  readonly modelId: string;
  readonly requests: Requests;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

type Part = Exclude<GenerateEvent, GenerateEnd>;

/** How an answer is written, streamed or in one piece. */
export interface AnswerForm {
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly headers: Record<string, string>;
  readonly frames: {
    /** The frame before all others, once; "" where there is none. */
    role(): string;
    /** "" where there is nothing to say. */
    part(part: Part): string;
    end(end: GenerateEnd, includeUsage: boolean): string;
  };
  add(part: Part): void;
  toBody(end: GenerateEnd): object;
}

/** The fields that nobody here understood; a header takes not every character, and a client chose their names. */
export function ignoredHeader(fields: readonly string[]): string {
  return `ignored ${fields.join(" ")}`.slice(0, 1000).replaceAll(/[^\x20-\x7e]/g, "?");
}

const CLIENT_CLOSED_REQUEST = 499;

/** Does the job. The status is decided with the first piece of text: errors before it keep theirs. */
export async function respond(
  job: GenerateJob,
  form: AnswerForm,
  context: WorkContext,
  clientSignal: AbortSignal,
): Promise<Response> {
  const { loaded, clock, requests } = context;
  const { headers } = form;
  const running = requests.begin(clientSignal);
  const events = generate(loaded, job, requests.counters, clock, running.signal);
  try {
    if (form.stream) {
      const first = await events.next();
      const body = streamOf(events, first, form.frames, form.includeUsage, running, context);
      return new Response(body, { headers: { ...headers, "content-type": "text/event-stream" } });
    }
    for await (const event of events) {
      if (event.type !== "end") {
        form.add(event);
        continue;
      }
      running.end("finished");
      return Response.json(form.toBody(event), { headers });
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
  frames: AnswerForm["frames"],
  includeUsage: boolean,
  running: RunningRequest,
  context: WorkContext,
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

function failureOf(error: unknown, running: RunningRequest, context: WorkContext): EngineError {
  if (running.signal.aborted) return unavailable("the engine is shutting down");
  context.log(`an answer failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return serverError();
}
