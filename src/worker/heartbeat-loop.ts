import type { LeaderCallFailure, LeaderCalls } from "../cluster/node-endpoint.ts";
import {
  type HeartbeatAnswer,
  heartbeatAnswer,
  type HeartbeatRequest,
  NODE_PATHS,
  NODE_PROTOCOL,
} from "../cluster/node-protocol.ts";
import { wait } from "../cluster/wait.ts";
import type { NodeState } from "../core/node.ts";

export interface HeartbeatTimes {
  /** First wait after a beat that did not arrive, doubled up to the second; each with half of it more or less. */
  readonly retryMs: readonly [number, number];
  /** After a change of the state the next beat comes at once, but not sooner than this after the last. */
  readonly soonestMs: number;
}

/** A leader that was started again has its workers back within 10 s: so the longest pause stays well below. */
export const HEARTBEAT_TIMES: HeartbeatTimes = { retryMs: [250, 5_000], soonestMs: 250 };

export interface HeartbeatParts {
  readonly calls: Pick<LeaderCalls, "call">;
  readonly version: string;
  /** Epoch ms of this process's start. */
  readonly epoch: number;
  /** Null: the agent has told nothing yet. */
  readonly state: () => NodeState | null;
  /** Called with each newer state. Returns how to stop that. */
  readonly onChange: (listener: () => void) => () => void;
  readonly addresses: () => readonly string[];
  readonly load: () => HeartbeatRequest["load"];
  readonly utilisation: (signal: AbortSignal) => Promise<HeartbeatRequest["utilisation"]>;
  readonly answered: (answer: HeartbeatAnswer) => void;
  /** The leader has no record of this node. True: it has one again. */
  readonly registerAgain: (signal: AbortSignal) => Promise<boolean>;
  readonly random: () => number;
  readonly log: (message: string) => void;
  readonly times: HeartbeatTimes;
}

/** Why a worker does not go on, for the person who finds it. */
export interface HeartbeatEnd {
  readonly message: string;
  readonly mend: string;
}

/**
 * Tells the leader that this node lives and what it has, at the pace that the leader asks for and at once after a change.
 * Ends when the signal fires (null), or when the leader refuses this node for good. A leader that is away is waited for.
 */
export async function heartbeatLoop(parts: HeartbeatParts, signal: AbortSignal): Promise<HeartbeatEnd | null> {
  let changed = new AbortController();
  const unsubscribe = parts.onChange(() => changed.abort());
  let sequence = 0;
  let failures = 0;
  try {
    while (!signal.aborted) {
      const state = parts.state();
      if (state === null) {
        await wait(parts.times.soonestMs, AbortSignal.any([signal, changed.signal]));
        changed = new AbortController();
        continue;
      }
      changed = new AbortController();
      sequence += 1;
      const beat = await parts.calls.call(
        "POST",
        NODE_PATHS.heartbeat,
        await body(parts, state, sequence, signal),
        signal,
      );
      if (signal.aborted) return null;
      const answer = beat.ok ? heartbeatAnswer.safeParse(beat.value) : null;
      if (answer?.success === true) {
        if (failures > 0) parts.log("the leader answers again");
        failures = 0;
        parts.answered(answer.data);
        await wait(parts.times.soonestMs, signal);
        await wait(answer.data.heartbeatMs - parts.times.soonestMs, AbortSignal.any([signal, changed.signal]));
        continue;
      }
      const end = beat.ok ? null : await refusedForGood(parts, beat.error, signal);
      if (end !== null) return end;
      if (failures === 0)
        parts.log(beat.ok ? "the leader's answer to a heartbeat is not understood" : saying(beat.error));
      const [firstMs, mostMs] = parts.times.retryMs;
      const pauseMs = Math.min(mostMs, firstMs * 2 ** failures);
      failures += 1;
      // Not all workers at the same moment after a restart of the leader.
      await wait(pauseMs * (0.5 + parts.random()), signal);
    }
    return null;
  } finally {
    unsubscribe();
  }
}

async function body(
  parts: HeartbeatParts,
  state: NodeState,
  sequence: number,
  signal: AbortSignal,
): Promise<HeartbeatRequest> {
  return {
    protocol: NODE_PROTOCOL,
    version: parts.version,
    epoch: parts.epoch,
    sequence,
    addresses: [...parts.addresses()],
    // Secrets stay here: the link adds them to calls by itself.
    state: { ...state, engines: state.engines.map((engine) => ({ ...engine, secret: "" })) },
    load: parts.load(),
    utilisation: await parts.utilisation(signal),
  };
}

/** 401 means that this credential is good no more; 404 that it was forgotten and may be made known again. */
async function refusedForGood(
  parts: HeartbeatParts,
  failure: LeaderCallFailure,
  signal: AbortSignal,
): Promise<HeartbeatEnd | null> {
  if (failure.kind === "unreachable") return null;
  const { status, code, message, mend } = failure;
  // A clock that is wrong gets right again, and says so in the log meanwhile.
  if (status === 401 && code !== "clock_skew") return { message, mend };
  if (status !== 404) return null;
  parts.log(`${message}; registering again`);
  return (await parts.registerAgain(signal)) ? null : { message, mend };
}

function saying(failure: LeaderCallFailure): string {
  if (failure.kind === "refused") return `the leader refused a heartbeat: ${failure.message}`;
  return `${failure.message}${failure.tried.length === 0 ? "" : ` (tried ${failure.tried.join(", ")})`}; trying again`;
}
