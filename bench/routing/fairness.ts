import { ReplicaBoard } from "../../src/routing/replica-board.ts";
import type { RouteAsk } from "../../src/core/route-ask.ts";
import { Router } from "../../src/routing/router.ts";
import { percentile } from "../statistics.ts";
import { EventQueue } from "./event-queue.ts";
import { ENGINE, SimEngine } from "./sim-engine.ts";
import { simReplica } from "./sim-replica.ts";

export interface FairnessResult {
  /** Of the key with single short requests, alone and beside the greedy one. */
  readonly aloneP99Ms: number;
  readonly besideP99Ms: number;
  readonly besideWorstMs: number;
  /** The longest answer of the greedy key, from its slot to its end. */
  readonly longestAnswerMs: number;
  readonly answers: number;
}

interface Kind {
  readonly key: string;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly atOnce: number;
}

const GREEDY: Kind = { key: "greedy", promptTokens: 1_000, outputTokens: 2_000, atOnce: 50 };
const MODEST: Kind = { key: "modest", promptTokens: 300, outputTokens: 100, atOnce: 1 };
const SECONDS = 600;
const NONE: ReadonlySet<string> = new Set();

/** One key keeps fifty long requests open, another sends short ones, each after the answer to the last. */
export async function fairness(slots: number): Promise<FairnessResult> {
  const alone = await run(slots, [MODEST]);
  const beside = await run(slots, [GREEDY, MODEST]);
  return {
    aloneP99Ms: percentile(alone.latencies, 0.99),
    besideP99Ms: percentile(beside.latencies, 0.99),
    besideWorstMs: Math.max(...beside.latencies),
    longestAnswerMs: beside.longestAnswerMs,
    answers: beside.latencies.length,
  };
}

async function run(slots: number, kinds: readonly Kind[]) {
  const events = new EventQueue();
  const engine = new SimEngine(events, { ...ENGINE, mostRunning: slots });
  const board = new ReplicaBoard();
  const router = new Router({
    board,
    localNode: "node0",
    limits: { replicaWaitMs: 0, queueWaitMs: 3_600_000, queueLength: 256 },
    clock: events,
    stickySessions: true,
    severalKeys: () => true,
    onDecision: null,
  });
  board.update("node0", { replicas: [simReplica(0, { slots })], engines: [], expected: [] });
  const latencies: number[] = [];
  let longestAnswerMs = 0;
  let prefix = 0;
  const client = async ({ key, promptTokens, outputTokens }: Kind): Promise<void> => {
    while (events.nowMs() < SECONDS * 1000) {
      const cameMs = events.nowMs();
      const ask: RouteAsk = {
        requestId: "",
        model: "sim",
        keyId: key,
        batch: false,
        promptTokens,
        maxOutputTokens: null,
        patient: true,
        conversation: () => ({ session: "", prompt: new Uint8Array() }),
        hasImages: () => false,
        queued: () => undefined,
      };
      const picked = await router.pick(ask, NONE, new AbortController().signal);
      if (!picked.ok) throw new Error(`the router refused: ${picked.error.kind}`);
      const begunMs = events.nowMs();
      prefix += 1;
      await new Promise<void>((resolve) => {
        engine.submit({
          prefix,
          prefixTokens: 0,
          questionTokens: promptTokens,
          outputTokens,
          onFirstToken: () => picked.value.prefilled(),
          onDone(cachedTokens) {
            picked.value.end({ promptTokens, cachedTokens, completionTokens: outputTokens });
            resolve();
          },
        });
      });
      if (key === MODEST.key) latencies.push(events.nowMs() - cameMs);
      else longestAnswerMs = Math.max(longestAnswerMs, events.nowMs() - begunMs);
    }
  };
  for (const kind of kinds) for (let at = 0; at < kind.atOnce; at += 1) void client(kind);
  await events.run(SECONDS * 1000);
  return { latencies, longestAnswerMs };
}
