import type { LoadDriver } from "./driver-client.ts";
import type { LoadPlan, LoadResult, Spread } from "./load-plan.ts";
import { cpuMs, residentBytes } from "./process-cost.ts";
import { ALL_OPEN_MS, type Durations, manyStreams, pacedStreams, shortRequests, steadyRequests } from "./scenarios.ts";
import { median } from "./statistics.ts";
import type { Subject } from "./subject.ts";

/** One subject's figures of one round, or their medians. */
export interface Figures {
  readonly requestsPerSecond: number;
  readonly cpuMicrosPerRequest: number;
  readonly steadyP50Ms: number;
  readonly steadyP99Ms: number;
  readonly cpuMicrosPerChunk: number;
  readonly firstTokenP50Ms: number;
  readonly firstTokenP99Ms: number;
  readonly idleBytes: number;
  /** With all of the many streams open. */
  readonly streamsBytes: number;
  /** Answers that were not whole, in all parts. */
  readonly lost: number;
}

export interface Round {
  readonly figures: Figures;
  readonly problems: Readonly<Record<string, number>>;
}

interface Run {
  readonly result: LoadResult;
  readonly cpuMs: number;
}

async function run(driver: LoadDriver, subject: Subject, plan: LoadPlan): Promise<Run> {
  const before = cpuMs(subject.pids);
  const result = await driver.run(plan);
  return { result, cpuMs: cpuMs(subject.pids) - before };
}

/** The mock engine without anybody between: what is added by others is measured against this. */
export interface Baseline {
  readonly steady: Spread;
  readonly firstToken: Spread;
}

export async function measureBaseline(driver: LoadDriver, engine: Subject, last: Durations): Promise<Baseline> {
  await driver.run(shortRequests(engine, last.warmUpMs));
  const steady = await driver.run(steadyRequests(engine, last.steadyMs));
  const streams = await driver.run(pacedStreams(engine, last.streamsMs));
  return { steady: steady.latencyMs, firstToken: streams.firstTokenMs ?? { p50: Number.NaN, p99: Number.NaN } };
}

/**
 * Servers compile what runs often, on threads of their own, and those cost CPU for seconds. A round is to show what a
 * server costs that has run for a while.
 */
export async function settle(driver: LoadDriver, subject: Subject, last: Durations): Promise<void> {
  await driver.run(shortRequests(subject, last.settleMs));
  await driver.run(pacedStreams(subject, last.settleMs / 2));
}

export async function measureRound(
  driver: LoadDriver,
  subject: Subject,
  last: Durations,
  idleBytes: number,
): Promise<Round> {
  await driver.run(shortRequests(subject, last.warmUpMs));
  const short = await run(driver, subject, shortRequests(subject, last.requestsMs));
  const steady = await run(driver, subject, steadyRequests(subject, last.steadyMs));
  await driver.run(pacedStreams(subject, last.warmUpMs));
  const paced = await run(driver, subject, pacedStreams(subject, last.streamsMs));
  const many = driver.run(manyStreams(subject));
  await Bun.sleep(ALL_OPEN_MS);
  const streamsBytes = residentBytes(subject.pids);
  const results = [short.result, steady.result, paced.result, await many];
  return {
    figures: {
      requestsPerSecond: (short.result.whole * 1000) / short.result.elapsedMs,
      cpuMicrosPerRequest: (short.cpuMs * 1000) / short.result.whole,
      steadyP50Ms: steady.result.latencyMs.p50,
      steadyP99Ms: steady.result.latencyMs.p99,
      cpuMicrosPerChunk: (paced.cpuMs * 1000) / paced.result.frames,
      firstTokenP50Ms: paced.result.firstTokenMs?.p50 ?? Number.NaN,
      firstTokenP99Ms: paced.result.firstTokenMs?.p99 ?? Number.NaN,
      idleBytes,
      streamsBytes,
      lost: results.reduce((sum, result) => sum + result.lost, 0),
    },
    problems: Object.assign({}, ...results.map((result) => result.problems)) as Record<string, number>,
  };
}

/** Losses are added up: one bad round must not vanish in a median. */
export function medianFigures(rounds: readonly Figures[]): Figures {
  const of = (key: keyof Figures): number => median(rounds.map((round) => round[key]));
  return {
    requestsPerSecond: of("requestsPerSecond"),
    cpuMicrosPerRequest: of("cpuMicrosPerRequest"),
    steadyP50Ms: of("steadyP50Ms"),
    steadyP99Ms: of("steadyP99Ms"),
    cpuMicrosPerChunk: of("cpuMicrosPerChunk"),
    firstTokenP50Ms: of("firstTokenP50Ms"),
    firstTokenP99Ms: of("firstTokenP99Ms"),
    idleBytes: of("idleBytes"),
    streamsBytes: Math.max(...rounds.map((round) => round.streamsBytes)),
    lost: rounds.reduce((sum, round) => sum + round.lost, 0),
  };
}
