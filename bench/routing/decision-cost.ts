import { AffinityBook } from "../../src/routing/affinity-book.ts";
import { PrefixIndex } from "../../src/routing/prefix-index.ts";
import { promptBlocks } from "../../src/routing/prompt-blocks.ts";
import { ReplicaBoard } from "../../src/routing/replica-board.ts";
import { systemRouterClock } from "../../src/routing/router-port.ts";
import type { RouteAsk } from "../../src/core/route-ask.ts";
import { Router } from "../../src/routing/router.ts";
import { median } from "../statistics.ts";
import { Random } from "./random.ts";
import { simReplica } from "./sim-replica.ts";

export interface DecisionCost {
  /** Cutting a prompt into blocks and hashing them. */
  readonly hashUs: number;
  /** Finding who knows them. */
  readonly lookUs: number;
  /** A slot asked for and given back: all of the above, the choice, and the books. */
  readonly wholeUs: number;
}

const REPLICAS = 200;
const PREFIXES = 10_000;
const PREFIX_BYTES = 24_000;
const QUESTION_BYTES = 4_800;
const ROUNDS = 2_000;
const NONE: ReadonlySet<string> = new Set();
const NEVER = new AbortController().signal;

export function decisionCost(): DecisionCost {
  const board = new ReplicaBoard();
  const limits = { replicaWaitMs: 0, queueWaitMs: 1, queueLength: 1 };
  const several = { stickySessions: true, severalKeys: () => true, onDecision: null };
  const router = new Router({ board, localNode: "node0", limits, clock: systemRouterClock, ...several });
  const book = new AffinityBook(true, new PrefixIndex());
  for (let at = 0; at < REPLICAS; at += 1)
    board.update(`node${at}`, { replicas: [simReplica(at)], engines: [], expected: [] });
  const random = new Random(1);
  // Documents differ in their beginning, which makes every block of each its own, without 240 MB of noise.
  const body = random.bytes(PREFIX_BYTES + QUESTION_BYTES);
  const prompt = (document: number, question: number): Uint8Array => {
    const bytes = body.slice();
    new DataView(bytes.buffer).setUint32(0, document);
    new DataView(bytes.buffer).setUint32(PREFIX_BYTES, question);
    return bytes;
  };
  const ask = (bytes: Uint8Array): RouteAsk => ({
    requestId: "",
    model: "sim",
    keyId: "team",
    batch: false,
    promptTokens: 7_200,
    maxOutputTokens: null,
    patient: true,
    conversation: () => ({ session: "", prompt: bytes }),
    hasImages: () => false,
    queued: () => undefined,
  });
  const pick = (bytes: Uint8Array): void => {
    const picked = router.pick(ask(bytes), NONE, NEVER);
    if (picked instanceof Promise || !picked.ok) throw new Error("there was no free slot");
    picked.value.end(null);
  };
  for (let document = 0; document < PREFIXES; document += 1) {
    const bytes = prompt(document, 0);
    pick(bytes);
    book.give(book.read(ask(bytes)), String(document % REPLICAS));
  }
  const hash: number[] = [];
  const look: number[] = [];
  const whole: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const bytes = prompt(random.below(PREFIXES), round);
    hash.push(timed(() => promptBlocks(bytes)));
    const told = book.read(ask(bytes));
    look.push(timed(() => book.look(told)));
    whole.push(timed(() => pick(bytes)));
  }
  return { hashUs: median(hash), lookUs: median(look), wholeUs: median(whole) };
}

function timed(run: () => unknown): number {
  const startNs = Bun.nanoseconds();
  run();
  return (Bun.nanoseconds() - startNs) / 1000;
}
