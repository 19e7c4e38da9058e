import type { LeaderCallFailure, LeaderCalls } from "../cluster/node-endpoint.ts";
import {
  type HeartbeatAnswer,
  heartbeatAnswer,
  type HeartbeatRequest,
  NODE_PATHS,
  NODE_PROTOCOL,
  OLDEST_NODE_PROTOCOL,
} from "../cluster/node-protocol.ts";
import { wait } from "../core/wait.ts";
import type { NodeState } from "../core/node.ts";
import { ToldState } from "./told-state.ts";

export interface HeartbeatTimes {
  /** First wait after a beat that did not arrive, doubled up to the second; each with half of it more or less. */
  readonly retryMs: readonly [number, number];
  /** After a change the next beat comes at once, but not sooner than this after the last. */
  readonly soonestMs: number;
}

/** A leader that was started again has its workers back within 10 s: so the longest pause stays well below. */
export const HEARTBEAT_TIMES: HeartbeatTimes = { retryMs: [250, 3_000], soonestMs: 250 };

export interface HeartbeatParts {
  readonly calls: Pick<LeaderCalls, "call">;
  readonly version: string;
  /** Epoch ms of this process's start. */
  readonly epoch: number;
  /** Null: the agent has told nothing yet. */
  readonly state: () => NodeState | null;
  /** Called with each newer state, and when the leader may be there again. Returns how to stop that. */
  readonly onChange: (listener: () => void) => () => void;
  readonly addresses: () => readonly string[];
  readonly load: () => HeartbeatRequest["load"];
  readonly utilisation: (signal: AbortSignal) => Promise<HeartbeatRequest["utilisation"]>;
  readonly answered: (answer: HeartbeatAnswer) => void;
  /** The leader does not know this node, or not by its present key. */
  readonly registerAgain: (signal: AbortSignal) => Promise<RegisteredAgain>;
  readonly random: () => number;
  readonly log: (message: string) => void;
  readonly times: HeartbeatTimes;
}

/** Why a worker does not go on, for the person who finds it. */
export interface HeartbeatEnd {
  readonly message: string;
  readonly mend: string;
  /** A person took it out of the cluster: its credential is good for nothing any more. */
  readonly removed: boolean;
}

/**
 * `again`: the leader knows this node. `later`: it could not be asked. `unable`: this node has nothing to show, or the
 * leader is too old to look at it. Otherwise it refused, for good.
 */
export type RegisteredAgain = "again" | "later" | "unable" | HeartbeatEnd;

/**
 * Tells the leader that this node lives and what it has, at the pace that the leader asks for and at once after a change.
 * Ends when the signal fires (null), or when the leader refuses this node for good. A leader that is away is waited for.
 */
export async function heartbeatLoop(parts: HeartbeatParts, signal: AbortSignal): Promise<HeartbeatEnd | null> {
  let changed = new AbortController();
  const unsubscribe = parts.onChange(() => changed.abort());
  let sequence = 0;
  let failures = 0;
  let again = false;
  /** Since the leader answered last: what is wrong is told once, and once more when it is something else. */
  const said = new Set<string>();
  let protocol: number = NODE_PROTOCOL;
  const told = new ToldState();
  const pause = async (ms: number): Promise<void> => {
    const least = Math.min(ms, parts.times.soonestMs);
    await wait(least, signal);
    await wait(ms - least, AbortSignal.any([signal, changed.signal]));
  };
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
      // A leader of the version before knows whole states alone.
      if (protocol !== NODE_PROTOCOL) told.forget();
      const news = told.next(state, sequence);
      const beat = await parts.calls.call(
        "POST",
        NODE_PATHS.heartbeat,
        { ...(await body(parts, news, sequence, signal)), protocol },
        signal,
      );
      if (signal.aborted) return null;
      const answer = beat.ok ? heartbeatAnswer.safeParse(beat.value).data : undefined;
      if (answer !== undefined) {
        if (failures > 0) parts.log("the leader answers again");
        failures = 0;
        said.clear();
        again = false;
        told.answered();
        parts.answered(answer);
        await pause(answer.heartbeatMs);
        continue;
      }
      told.forget();
      if ("since" in news && !beat.ok && beat.error.kind === "refused" && beat.error.code === "state_unknown") continue;
      // A leader of the version before does not know today's frames; one that was updated knows the older ones no longer.
      if (!beat.ok && beat.error.kind === "refused" && FOREIGN_FRAME.has(beat.error.code))
        protocol = protocol === NODE_PROTOCOL ? OLDEST_NODE_PROTOCOL : NODE_PROTOCOL;
      const refused = beat.ok ? null : await onRefusal(parts, beat.error, signal);
      if (refused !== null && refused !== "again") return refused;
      // At once, but for a leader that forgets this node each time.
      if (refused === "again" && !again) {
        again = true;
        continue;
      }
      const text = beat.ok ? "the leader's answer to a heartbeat is not understood" : saying(beat.error);
      if (!said.has(text)) parts.log(text);
      said.add(text);
      const [firstMs, mostMs] = parts.times.retryMs;
      const pauseMs = Math.min(mostMs, firstMs * 2 ** failures);
      failures += 1;
      // Not all workers at the same moment after a restart of the leader.
      await pause(pauseMs * (0.5 + parts.random()));
    }
    return null;
  } finally {
    unsubscribe();
  }
}

const FOREIGN_FRAME: ReadonlySet<string> = new Set(["protocol", "invalid"]);

async function body(
  parts: HeartbeatParts,
  state: HeartbeatRequest["state"],
  sequence: number,
  signal: AbortSignal,
): Promise<HeartbeatRequest> {
  return {
    protocol: NODE_PROTOCOL,
    version: parts.version,
    epoch: parts.epoch,
    sequence,
    addresses: [...parts.addresses()],
    state,
    load: parts.load(),
    utilisation: await parts.utilisation(signal),
  };
}

/**
 * Null: try again. 401 means that this credential is good no more, 404 that the leader has no record of it: what it was
 * given when it joined may make it known again, but not after it was removed.
 */
async function onRefusal(
  parts: HeartbeatParts,
  failure: LeaderCallFailure,
  signal: AbortSignal,
): Promise<HeartbeatEnd | "again" | null> {
  if (failure.kind === "unreachable") return null;
  const { status, code, message, mend } = failure;
  const end: HeartbeatEnd = { message, mend, removed: code === "revoked" };
  // A leader whose records are of before a rotation knows an older key of this node.
  if (status === 404 || code === "signature") {
    const registered = await parts.registerAgain(signal);
    if (registered === "later") return null;
    if (registered === "again") parts.log(`${message}; registered again`);
    return registered === "unable" ? end : registered;
  }
  // A clock that is wrong gets right again, and says so in the log meanwhile.
  return status === 401 && code !== "clock_skew" ? end : null;
}

function saying(failure: LeaderCallFailure): string {
  if (failure.kind === "refused") return `the leader refused a heartbeat: ${failure.message}`;
  return `${failure.message}${failure.tried.length === 0 ? "" : ` (tried ${failure.tried.join(", ")})`}; trying again`;
}
