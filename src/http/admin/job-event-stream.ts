import { toAdminError } from "./admin-error.ts";
import type { AdminJobs, JobEvent } from "./deps.ts";
import { toJobEventJson, toJobJson } from "./job-json.ts";

export interface JobEventSource {
  readonly jobs: Pick<AdminJobs, "get" | "events">;
  readonly jobId: string;
  /** The client has this event already. */
  readonly afterSeq: number;
  /** A comment goes out when nothing else did for this long: the server and proxies cut quiet connections. */
  readonly heartbeatMs: number;
  readonly signal: AbortSignal;
  readonly requestId: string;
  readonly onBug: (cause: unknown) => void;
}

/**
 * A job's events as server-sent events, pulled one by one, so that a slow reader holds up nothing but itself. Ends with
 * `end` and the whole job; a stream that closes without it was cut, or its leader leaves, and is resumed with
 * `Last-Event-ID`.
 */
export function jobEventStream(source: JobEventSource): ReadableStream<Uint8Array> {
  const hangUp = new AbortController();
  const signal = AbortSignal.any([source.signal, hangUp.signal]);
  const frames = framesOf(source, signal);
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await frames.next();
        if (signal.aborted) return;
        if (next.done === true) controller.close();
        else controller.enqueue(encoder.encode(next.value));
      },
      cancel() {
        hangUp.abort();
      },
    },
    { highWaterMark: 0 },
  );
}

async function* framesOf(source: JobEventSource, signal: AbortSignal): AsyncGenerator<string, void> {
  // Sent at once, so that the client has its headers before the first event.
  yield ": following\n\n";
  try {
    for await (const event of withHeartbeat(source, signal)) {
      yield event === null ? ": still here\n\n" : frame("progress", toJobEventJson(event), event.seq);
    }
    const job = signal.aborted ? null : await source.jobs.get(source.jobId);
    if (job !== null && job.finishedAt !== null) yield frame("end", { job: toJobJson(job) });
  } catch (cause) {
    if (signal.aborted) return;
    source.onBug(cause);
    yield frame("error", toAdminError({ kind: "internal", id: source.requestId }).body);
  }
}

/** The events, and null for each silence of `heartbeatMs`. */
async function* withHeartbeat(source: JobEventSource, signal: AbortSignal): AsyncGenerator<JobEvent | null, void> {
  const events = source.jobs.events(source.jobId, source.afterSeq, signal)[Symbol.asyncIterator]();
  let pending = events.next();
  try {
    while (!signal.aborted) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const silence = new Promise<null>((resolve) => {
        timer = setTimeout(resolve, source.heartbeatMs, null);
      });
      const next = await Promise.race([pending, silence]).finally(() => clearTimeout(timer));
      if (next !== null && next.done === true) return;
      yield next === null ? null : next.value;
      if (next !== null) pending = events.next();
    }
  } finally {
    // Left alone after a hang-up: it ends, or throws, by the signal.
    pending.catch(() => undefined);
  }
}

function frame(event: string, data: unknown, id?: number): string {
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  return `${idLine}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
