import type { LoadPlan } from "./load-plan.ts";
import { EXTRA_FRAMES, modelName, type Pace } from "./mock-answers.ts";
import { FORMS, type FormName, framesOf, streamBody } from "./stream-forms.ts";
import type { Subject } from "./subject.ts";

/** How long each part runs. */
export interface Durations {
  /** Once for each subject before the first round, in both loads: until its compilers have settled. */
  readonly settleMs: number;
  readonly warmUpMs: number;
  readonly requestsMs: number;
  readonly steadyMs: number;
  readonly streamsMs: number;
  readonly rounds: number;
}

export const FULL: Durations = {
  settleMs: 8000,
  warmUpMs: 1500,
  requestsMs: 4000,
  steadyMs: 4000,
  streamsMs: 6000,
  rounds: 5,
};
export const QUICK: Durations = {
  settleMs: 2500,
  warmUpMs: 500,
  requestsMs: 1500,
  steadyMs: 1500,
  streamsMs: 2500,
  rounds: 1,
};

/** A short answer, as agents get many of. */
const SHORT: Pace = { pieces: 16, everyMs: 0, delayMs: 0 };
/** 128 streams of it are 6,400 pieces a second. */
const PACED: Pace = { pieces: 100, everyMs: 20, delayMs: 0 };
/** Seven seconds, so that a thousand are open at once for some while. */
const SLOW: Pace = { pieces: 14, everyMs: 500, delayMs: 0 };

/** Long enough to be hung up on in the middle. */
const BRIEF: Pace = { pieces: 16, everyMs: 1, delayMs: 0 };

export const MODELS: readonly string[] = [SHORT, PACED, SLOW, BRIEF].map(modelName);

const CONNECTIONS = 32;
export const STEADY_PER_SECOND = 200;
export const STREAMS = 128;
export const MANY_STREAMS = 1000;

/** About a kilobyte: a system prompt, a turn, a question. */
const MESSAGES = [
  { role: "system", content: "You are a careful assistant. Answer briefly and name your sources. ".repeat(6) },
  { role: "user", content: "Which of our services still speak the old protocol?" },
  { role: "assistant", content: "Three of them: billing, the mail gateway and the nightly export." },
  { role: "user", content: "Draft a short note to their owners, with the dates from the plan. ".repeat(3) },
];

function body(pace: Pace, stream: boolean): string {
  return JSON.stringify({ model: modelName(pace), messages: MESSAGES, temperature: 0.2, max_tokens: 512, stream });
}

function plan(to: Subject, pace: Pace, stream: boolean): Omit<LoadPlan, "loop" | "maxMs"> {
  return {
    port: to.port,
    path: to.path,
    headers: to.headers,
    body: body(pace, stream),
    maxRequests: 1_000_000,
    graceMs: 20_000,
    expect: stream ? { kind: "stream", form: "chat", frames: pace.pieces + EXTRA_FRAMES } : { kind: "whole" },
    abortEvery: 0,
  };
}

/** As many as it takes: throughput, and CPU per request. */
export function shortRequests(to: Subject, maxMs: number): LoadPlan {
  return { ...plan(to, SHORT, false), loop: { kind: "closed", connections: CONNECTIONS, spreadMs: 0 }, maxMs };
}

/** The same number a second for all: latency. */
export function steadyRequests(to: Subject, maxMs: number): LoadPlan {
  return {
    ...plan(to, SHORT, false),
    loop: { kind: "open", perSecond: STEADY_PER_SECOND, maxConnections: 256 },
    maxMs,
  };
}

/** CPU per relayed piece, and time to first token. */
export function pacedStreams(to: Subject, maxMs: number): LoadPlan {
  const spreadMs = PACED.pieces * PACED.everyMs;
  return { ...plan(to, PACED, true), loop: { kind: "closed", connections: STREAMS, spreadMs }, maxMs };
}

/** The same streams from the same engine, asked for in another API. */
export function pacedStreamsIn(form: FormName, to: Subject, maxMs: number): LoadPlan {
  return {
    ...pacedStreams(to, maxMs),
    path: FORMS[form].path,
    body: streamBody(form, modelName(PACED), MESSAGES),
    expect: { kind: "stream", form, frames: framesOf(form, PACED) },
  };
}
/** What the engine sends for one of them, whatever the client gets. */
export const PACED_CHUNKS = PACED.pieces + EXTRA_FRAMES;

/** Each once, all open at the same time. */
export function manyStreams(to: Subject): LoadPlan {
  const loop = { kind: "closed", connections: MANY_STREAMS, spreadMs: 3000 } as const;
  return { ...plan(to, SLOW, true), loop, maxRequests: MANY_STREAMS, maxMs: 6500 };
}
/** From the start of `manyStreams` until all are open. */
export const ALL_OPEN_MS = 4500;

/** Many requests, a tenth of them hung up on: memory must not grow. */
export function abortedRequests(to: Subject, count: number): LoadPlan {
  return {
    ...plan(to, BRIEF, true),
    loop: { kind: "closed", connections: 64, spreadMs: 0 },
    maxRequests: count,
    maxMs: 600_000,
    abortEvery: 10,
  };
}
