import { nextVersion } from "./change-counts.ts";
import { type Row, toJson, toNumber, toNumberOrNull, toText, toTextOrNull } from "./row-value.ts";
import { storableText } from "./storable.ts";
import type { Sql, Tx } from "./store.ts";

export type JobState = "queued" | "running" | "succeeded" | "failed" | "cancelled";

export interface JobProgress {
  readonly done: number;
  /** Null: not known. */
  readonly total: number | null;
  readonly message: string;
}

/** A long operation. It survives restarts: what it needs to go on is its input and its last checkpoint. */
export interface Job {
  readonly id: string;
  readonly kind: string;
  readonly state: JobState;
  readonly input: unknown;
  readonly actor: string;
  /** The one leader that runs it; "": whichever finds it. */
  readonly leader: string;
  /** How often it was started; 0 while it waits for the first time. */
  readonly attempt: number;
  readonly progress: JobProgress | null;
  readonly checkpoint: unknown;
  /** One line, when it failed. */
  readonly error: string | null;
  /** Someone asked it to stop; it may still be running. */
  readonly cancelRequested: boolean;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}

export interface JobEvent {
  /** Grows by one within a job; old events are thrown away. */
  readonly seq: number;
  readonly at: number;
  readonly state: JobState;
  readonly progress: JobProgress | null;
}

const KEPT_EVENTS = 200;

export function isEndState(state: JobState): boolean {
  return state === "succeeded" || state === "failed" || state === "cancelled";
}

function jobFromRow(row: Row): Job {
  return {
    id: toText(row["id"]),
    kind: toText(row["kind"]),
    state: toState(row["state"]),
    input: toJson(row["input"]),
    actor: toText(row["actor"]),
    leader: toText(row["leader"]),
    attempt: toNumber(row["attempt"]),
    progress: toProgress(row),
    checkpoint: toJson(row["checkpoint"]),
    error: toTextOrNull(row["error"]),
    cancelRequested: toNumber(row["cancel_requested"]) !== 0,
    createdAt: toNumber(row["created_at"]),
    startedAt: toNumberOrNull(row["started_at"]),
    finishedAt: toNumberOrNull(row["finished_at"]),
  };
}

function eventFromRow(row: Row): JobEvent {
  return {
    seq: toNumber(row["seq"]),
    at: toNumber(row["at"]),
    state: toState(row["state"]),
    progress: toProgress(row),
  };
}

function toProgress(row: Row): JobProgress | null {
  const done = toNumberOrNull(row["done"]);
  return done === null ? null : { done, total: toNumberOrNull(row["total"]), message: toText(row["message"]) };
}

function progressColumns(progress: JobProgress | null): Row {
  return { done: progress?.done ?? null, total: progress?.total ?? null, message: progress?.message ?? "" };
}

function toState(value: unknown): JobState {
  if (value === "queued" || value === "running" || value === "succeeded" || value === "cancelled") return value;
  return "failed";
}

export async function insertJob(tx: Tx, job: Job): Promise<void> {
  const row = {
    id: job.id,
    kind: job.kind,
    state: job.state,
    input: JSON.stringify(job.input ?? null),
    actor: job.actor,
    leader: job.leader,
    attempt: job.attempt,
    ...progressColumns(job.progress),
    checkpoint: null,
    error: job.error,
    cancel_requested: job.cancelRequested ? 1 : 0,
    created_at: job.createdAt,
    started_at: job.startedAt,
    finished_at: job.finishedAt,
  };
  await tx`insert into jobs ${tx(row)}`;
  await addJobEvent(tx, job.id, { at: job.createdAt, state: job.state, progress: job.progress });
}

export async function findJob(sql: Sql, id: string): Promise<Job | null> {
  const rows: Row[] = await sql`select * from jobs where id = ${storableText(id)}`;
  return rows[0] === undefined ? null : jobFromRow(rows[0]);
}

/** Newest first. */
export async function listJobs(sql: Sql, limit: number): Promise<Job[]> {
  const rows: Row[] = await sql`select * from jobs order by created_at desc, id desc limit ${limit}`;
  return rows.map(jobFromRow);
}

/** Those that ended well, of those that were this leader's to run. */
export async function succeededJobs(sql: Sql, kind: string, leader: string): Promise<Job[]> {
  const rows: Row[] = await sql`
    select * from jobs where state = 'succeeded' and kind = ${kind} and leader in ('', ${leader})`;
  return rows.map(jobFromRow);
}

/** Of those that are this leader's to run; oldest first. */
export async function jobsInState(sql: Sql, state: JobState, leader: string): Promise<Job[]> {
  const rows: Row[] = await sql`
    select * from jobs where state = ${state} and leader in ('', ${leader}) order by created_at, id`;
  return rows.map(jobFromRow);
}

export async function nextQueuedJob(sql: Sql, kind: string, leader: string): Promise<Job | null> {
  const rows: Row[] = await sql`
    select * from jobs where state = 'queued' and kind = ${kind} and leader in ('', ${leader})
    order by created_at, id limit 1`;
  return rows[0] === undefined ? null : jobFromRow(rows[0]);
}

/** Another leader has something to do for it: it looks when it sees the number. */
export async function tellJobsLeader(tx: Tx): Promise<void> {
  await nextVersion(tx, "jobs");
}

export interface JobChange {
  readonly state: JobState;
  readonly attempt?: number;
  readonly error?: string;
}

/** Moves a job to another state and writes the event. False: it was not in state `from` any more. */
export async function moveJob(tx: Tx, id: string, from: JobState, to: JobChange, now: number): Promise<boolean> {
  const row: Record<string, unknown> = { state: to.state };
  if (to.attempt !== undefined) row["attempt"] = to.attempt;
  if (to.error !== undefined) row["error"] = to.error;
  if (to.state === "running") row["started_at"] = now;
  if (isEndState(to.state)) row["finished_at"] = now;
  const rows: Row[] = await tx`update jobs set ${tx(row)} where id = ${id} and state = ${from} returning *`;
  const moved = rows[0];
  if (moved === undefined) return false;
  await addJobEvent(tx, id, { at: now, state: to.state, progress: toProgress(moved) });
  return true;
}

export async function saveProgress(tx: Tx, id: string, progress: JobProgress, now: number): Promise<void> {
  await tx`update jobs set ${tx(progressColumns(progress))} where id = ${id}`;
  await addJobEvent(tx, id, { at: now, state: "running", progress });
}

export async function saveCheckpoint(tx: Tx, id: string, data: unknown): Promise<void> {
  await tx`update jobs set checkpoint = ${JSON.stringify(data)} where id = ${id}`;
}

export async function requestCancel(tx: Tx, id: string): Promise<void> {
  await tx`update jobs set cancel_requested = 1 where id = ${id}`;
}

async function addJobEvent(tx: Tx, id: string, event: Omit<JobEvent, "seq">): Promise<void> {
  const rows: Row[] = await tx`select max(seq) as seq from job_events where job_id = ${id}`;
  const seq = toNumber(rows[0]?.["seq"] ?? 0) + 1;
  const row = { job_id: id, seq, at: event.at, state: event.state, ...progressColumns(event.progress) };
  await tx`insert into job_events ${tx(row)}`;
  await tx`delete from job_events where job_id = ${id} and seq <= ${seq - KEPT_EVENTS}`;
}

/** Kept events with a higher number, in order. */
export async function jobEventsAfter(sql: Sql, id: string, afterSeq: number): Promise<JobEvent[]> {
  const rows: Row[] =
    await sql`select * from job_events where job_id = ${storableText(id)} and seq > ${afterSeq} order by seq`;
  return rows.map(eventFromRow);
}
