import type { Replica } from "../core/replica.ts";

/** A replica as the policies see it at one moment. */
export interface Candidate {
  readonly replica: Replica;
  readonly inFlight: number;
  /** Tokens that it still has to work off: prompts that it has not in its cache, and answers, by their weight. */
  readonly outstandingTokens: number;
}

/** What speaks for a replica. */
export interface Affinity {
  readonly replicaId: string;
  /** Tokens of the prompt that it need not work off. */
  readonly savedTokens: number;
  readonly reason: "session" | "prefix";
}

export interface Question<C extends Candidate> {
  /** All can take the request: live, with a free slot, with its context and modalities. Never empty. */
  readonly candidates: readonly C[];
  /** The best first. */
  readonly affinities: readonly Affinity[];
  /** What the request weighs where nothing of it is known. */
  readonly costTokens: number;
  readonly localNode: string;
}

export interface Decision<C extends Candidate> {
  readonly candidate: C;
  readonly reason: string;
}

/** A replica may have this much more to do than its share before a conversation leaves it. */
const LOAD_FACTOR = 1.25;

/** And this many times what its cache saves: a second copy of the beginning elsewhere takes room from others. */
const STICKINESS = 2;

/**
 * The replica that knows the conversation, unless waiting for it costs more than its cache saves; else the one with the
 * least outstanding tokens for its slots, this node's before others. Pure; ties go to the first.
 */
export function chooseReplica<C extends Candidate>(question: Question<C>): Decision<C> {
  const { candidates, affinities, costTokens, localNode } = question;
  let slots = 0;
  let outstanding = 0;
  for (const { replica, outstandingTokens } of candidates) {
    slots += replica.slots;
    outstanding += outstandingTokens;
  }
  const share = outstanding / slots;
  let busy = "";
  for (const { replicaId, savedTokens, reason } of affinities) {
    const known = candidates.find(({ replica }) => replica.id === replicaId);
    if (known === undefined) continue;
    const bound = loadBound(known, share, savedTokens, costTokens);
    if (known.outstandingTokens <= bound) return { candidate: known, reason: reasonOf(reason, savedTokens) };
    if (busy === "") busy = `, the ${reason}'s replica is over its load`;
  }
  const candidate = leastOutstanding(candidates, localNode);
  return {
    candidate,
    reason: candidates.length === 1 ? `only free replica${busy}` : `least busy of ${candidates.length}${busy}`,
  };
}

/** What a replica may have to do so that a request which saves this much there still goes there. */
export function loadBound(
  { replica }: Candidate,
  shareOfSlot: number,
  savedTokens: number,
  costTokens: number,
): number {
  return (
    LOAD_FACTOR * shareOfSlot * replica.slots + Math.max(STICKINESS * savedTokens, Math.min(costTokens, LEAST_SLACK))
  );
}

/** A session that moved at every small difference would have its prompt worked off anew each time. */
const LEAST_SLACK = 2048;

function leastOutstanding<C extends Candidate>(candidates: readonly C[], localNode: string): C {
  let [best] = candidates;
  if (best === undefined) throw new Error("there is nothing to choose from");
  let bestLoad = loadOf(best, localNode);
  for (const candidate of candidates) {
    const load = loadOf(candidate, localNode);
    if (load >= bestLoad) continue;
    best = candidate;
    bestLoad = load;
  }
  return best;
}

/** A hop to another node costs little: it decides only between equals. */
const HOP_TOKENS = 8;

/** What a request that waits inside an engine is taken to weigh: whose it is, and how long, is not told. */
const WAITING_TOKENS = 1_000;

function loadOf({ replica, inFlight, outstandingTokens }: Candidate, localNode: string): number {
  const waiting = (replica.load?.waiting ?? 0) * WAITING_TOKENS;
  const tokens = outstandingTokens + waiting + (replica.node === localNode ? 0 : HOP_TOKENS);
  // Of replicas whose requests are small, the one with fewer of them.
  return (tokens + inFlight) / replica.slots;
}

function reasonOf(reason: Affinity["reason"], savedTokens: number): string {
  return reason === "session" ? "session" : `prefix of ~${savedTokens} tokens`;
}
