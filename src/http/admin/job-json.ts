import { z } from "@hono/zod-openapi";
import type { JobEvent, JobView } from "./deps.ts";
import { epochMs } from "./schemas.ts";

const jobState = z.enum(["queued", "running", "succeeded", "failed", "cancelled"]);

const jobProgress = z
  .object({ done: z.number(), total: z.number().nullable(), message: z.string() })
  .nullable()
  .openapi("JobProgress");

export const jobSchema = z
  .object({
    id: z.string(),
    kind: z.string(),
    state: jobState,
    actor: z.string(),
    attempt: z.int(),
    created_at: epochMs,
    started_at: epochMs.nullable(),
    finished_at: epochMs.nullable(),
    progress: jobProgress,
    error: z.string().nullable(),
  })
  .openapi("Job");

/** The data of one `progress` event of a job's stream. */
export const jobEventSchema = z
  .object({ seq: z.int(), at: epochMs, state: jobState, progress: jobProgress })
  .openapi("JobEvent");

export type JobJson = z.infer<typeof jobSchema>;
export type JobEventJson = z.infer<typeof jobEventSchema>;

export function toJobJson(job: JobView): JobJson {
  return {
    id: job.id,
    kind: job.kind,
    state: job.state,
    actor: job.actor,
    attempt: job.attempt,
    created_at: job.createdAt,
    started_at: job.startedAt,
    finished_at: job.finishedAt,
    progress: job.progress,
    error: job.error,
  };
}

export function toJobEventJson(event: JobEvent): JobEventJson {
  return { seq: event.seq, at: event.at, state: event.state, progress: event.progress };
}
