import { err, ok, type Result } from "../core/result.ts";
import { wait } from "../core/wait.ts";
import type { AdminServer } from "./admin-client.ts";
import { type Job, jobsApi } from "./api/jobs.ts";
import { BROKEN_OFF, type CliFailure, EXIT } from "./cli-failure.ts";
import { jobBar, jobProgress } from "./job-progress.ts";
import type { Out } from "./output.ts";
import { readEvents } from "./sse.ts";

/** The server says something at least every few seconds; a stream this quiet is dead. */
const SILENCE_MS = 60_000;
/** Pauses between attempts after the stream broke; a restart of the server fits into their sum. */
const RETRY_MS = [200, 500, 1000, 2000, 4000, 8000];

type Followed = { readonly lastEventId: string | null; readonly end: Job | null; readonly moved: boolean };

/** Shows a job's progress to its end, over broken connections and restarts of the server. The job's failure is ours. */
export async function followJob(
  server: AdminServer,
  id: string,
  out: Out,
  signal: AbortSignal,
): Promise<Result<void, CliFailure>> {
  let lastEventId: string | null = null;
  let failures = 0;
  for (;;) {
    const opened = await jobsApi(server).events(id, lastEventId);
    if (signal.aborted) return watchingStopped(id, out);
    if (opened.ok) {
      const followed = await follow(opened.value, lastEventId, out);
      if (followed.end !== null) return finish(followed.end, out);
      if (followed.moved) failures = 0;
      lastEventId = followed.lastEventId;
    } else if (lastEventId === null || opened.error.exitCode !== EXIT.notRunning) {
      return opened;
    }
    if (signal.aborted) return watchingStopped(id, out);
    const pauseMs = RETRY_MS[failures++];
    if (pauseMs === undefined) {
      const mend = `flock job watch ${id}`;
      return err({ exitCode: EXIT.failure, message: `The connection broke while job ${id} ran`, mend });
    }
    await wait(pauseMs, signal);
  }
}

async function follow(response: Response, before: string | null, out: Out): Promise<Followed> {
  let lastEventId = before;
  let moved = false;
  try {
    for await (const event of readEvents(response.body ?? new ReadableStream(), SILENCE_MS)) {
      lastEventId = event.id ?? lastEventId;
      moved = true;
      const data = JSON.parse(event.data) as { job?: Job; state?: string; progress?: Job["progress"] };
      if (event.event === "end" && data.job) return { lastEventId, end: data.job, moved };
      if (event.event === "progress") {
        const progress = data.progress ?? null;
        const parts = [data.state ?? "", jobBar(progress), jobProgress(progress)];
        out.progress(parts.filter((part) => part !== "").join(" · "));
      }
    }
  } catch {
    // Broken off, or not JSON: the next attempt resumes after the last event that arrived whole.
  }
  return { lastEventId, end: null, moved };
}

function finish(job: Job, out: Out): Result<void, CliFailure> {
  if (job.state === "succeeded") {
    out.document({ job }, () => out.line(`✔ ${job.kind} is done (${job.id})`, "good"));
    return ok(undefined);
  }
  const why = job.error === null ? "" : `: ${job.error}`;
  return err({ exitCode: EXIT.failure, message: `${job.kind} ${job.state}${why}`, mend: `flock job show ${job.id}` });
}

function watchingStopped(id: string, out: Out): Result<void, CliFailure> {
  out.note(`The job goes on; watch it with: flock job watch ${id}`);
  return err(BROKEN_OFF);
}
