import { ReplicaBoard } from "../../src/routing/replica-board.ts";
import type { RouteAsk } from "../../src/core/route-ask.ts";
import type { Lease } from "../../src/routing/router-port.ts";
import { Router } from "../../src/routing/router.ts";
import { EventQueue } from "./event-queue.ts";
import { SimEngine } from "./sim-engine.ts";
import { simReplica } from "./sim-replica.ts";
import { type Arrival, arrivals, type Workload } from "./workload.ts";

export type PolicyName = "round robin" | "least busy" | "flock";

export interface RunResult {
  readonly outputTokensPerSecond: number;
  /** Of all prompt tokens, the part that came from caches. */
  readonly hitRate: number;
  readonly firstTokenMs: readonly number[];
  /** The busiest replica's mean number of requests, over the mean of all. */
  readonly worstLoad: number;
  /** The same in tokens worked off. */
  readonly worstWork: number;
  readonly placed: readonly Placed[];
}

/** Which replica took which arrival. */
export interface Placed {
  readonly atMs: number;
  readonly prefix: number;
  readonly replica: number;
}

export interface RunOptions {
  readonly workload: Workload;
  readonly policy: PolicyName;
  readonly seed: number;
  readonly replicas: number;
  /** At these times the set of replicas becomes this one, by number. */
  readonly changes?: readonly { readonly atMs: number; readonly live: readonly number[] }[];
}

const NONE: ReadonlySet<string> = new Set();
const NEVER = new AbortController().signal;
const EMPTY = new Uint8Array();

/** One run: Poisson arrivals, the real router, simulated engines, simulated time. */
export async function simulate(options: RunOptions): Promise<RunResult> {
  const { workload, policy, seed, replicas } = options;
  const events = new EventQueue();
  const engines = Array.from({ length: replicas }, () => new SimEngine(events));
  const board = new ReplicaBoard();
  const limits = { replicaWaitMs: 0, queueWaitMs: 3_600_000, queueLength: 1_000_000 };
  const router = new Router({
    board,
    localNode: "node0",
    limits,
    clock: events,
    stickySessions: true,
    severalKeys: () => false,
    onDecision: null,
  });
  let live: readonly number[] = [];
  const setLive = (now: readonly number[]): void => {
    for (const at of live) if (!now.includes(at)) board.remove(`node${at}`);
    for (const at of now)
      if (!live.includes(at)) board.update(`node${at}`, { replicas: [simReplica(at)], engines: [], expected: [] });
    live = now;
  };
  setLive(options.changes?.find(({ atMs }) => atMs === 0)?.live ?? engines.map((_, at) => at));
  for (const { atMs, live: now } of options.changes ?? []) if (atMs > 0) events.after(atMs, () => setLive(now));

  const firstTokenMs: number[] = [];
  const placed: Placed[] = [];
  let turn = 0;
  const pick = async (arrival: Arrival): Promise<{ at: number; lease: Lease | null }> => {
    if (policy === "round robin") {
      turn += 1;
      return { at: live[turn % live.length] ?? 0, lease: null };
    }
    const prompt = policy === "flock" ? arrival.prompt : EMPTY;
    const ask: RouteAsk = {
      requestId: "",
      model: "sim",
      keyId: "team",
      batch: false,
      promptTokens: workload.prefixTokens + workload.questionTokens,
      maxOutputTokens: null,
      patient: true,
      conversation: () => ({ session: "", prompt }),
      hasImages: () => false,
      queued: () => undefined,
    };
    const picked = await router.pick(ask, NONE, NEVER);
    if (!picked.ok) throw new Error(`the router refused: ${picked.error.kind}`);
    return { at: Number(picked.value.replica.id), lease: picked.value };
  };
  const serve = async (arrival: Arrival): Promise<void> => {
    const cameMs = events.nowMs();
    const { at, lease } = await pick(arrival);
    placed.push({ atMs: cameMs, prefix: arrival.prefix, replica: at });
    const { prefixTokens, questionTokens, outputTokens } = workload;
    engines[at]?.submit({
      prefix: arrival.prefix,
      prefixTokens,
      questionTokens,
      outputTokens,
      onFirstToken() {
        firstTokenMs.push(events.nowMs() - cameMs);
        lease?.prefilled();
      },
      onDone(cachedTokens) {
        lease?.end({ promptTokens: prefixTokens + questionTokens, cachedTokens, completionTokens: outputTokens });
      },
    });
  };
  const source = arrivals(workload, seed);
  const arrive = (): void => {
    const { value: arrival } = source.next();
    if (arrival === undefined) return;
    events.after(arrival.afterMs, () => {
      void serve(arrival);
      arrive();
    });
  };
  arrive();
  await events.run(workload.seconds * 1000);
  return { ...figures(engines, workload.seconds), firstTokenMs, placed };
}

function figures(engines: readonly SimEngine[], seconds: number) {
  const sum = (of: (engine: SimEngine) => number): number => engines.reduce((total, engine) => total + of(engine), 0);
  const worst = (of: (engine: SimEngine) => number): number =>
    (Math.max(...engines.map(of)) * engines.length) / sum(of);
  return {
    outputTokensPerSecond: sum(({ outputTokens }) => outputTokens) / seconds,
    hitRate: sum(({ cachedTokens }) => cachedTokens) / sum(({ promptTokens }) => promptTokens),
    worstLoad: worst(({ requestMs }) => requestMs),
    worstWork: worst(({ promptTokens, cachedTokens, outputTokens }) => promptTokens - cachedTokens + outputTokens),
  };
}
