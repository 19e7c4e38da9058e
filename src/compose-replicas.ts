import { checkEngine } from "./cluster/node-operations.ts";
import type { Link } from "./cluster/link.ts";
import { err, ok } from "./core/result.ts";
import { ENGINE_WIRES } from "./engine/registry.ts";
import type { EngineLink, ReplicaPicker } from "./gateway/ports.ts";
import type { HealthTimes } from "./health/health-times.ts";
import { IdleProbe } from "./health/idle-probe.ts";
import { askOneToken } from "./health/one-token.ts";
import { ReplicaWatch } from "./health/replica-watch.ts";
import { ReplicaBoard } from "./routing/replica-board.ts";

export interface ReplicaParts {
  readonly localNode: string;
  /** How long a request waits for a replica. */
  readonly waitMs: number;
  readonly times: HealthTimes;
  readonly call: Link["call"];
  readonly link: () => EngineLink;
  readonly log: (message: string, fields: Record<string, unknown>) => void;
}

export interface WatchedReplicas {
  readonly board: ReplicaBoard;
  readonly picker: ReplicaPicker;
  start(): void;
  stop(): void;
}

/** The replicas, and the watch over them that live traffic feeds. */
export function watchedReplicas(parts: ReplicaParts): WatchedReplicas {
  const monotonicMs = (): number => performance.now();
  const watch: ReplicaWatch = new ReplicaWatch(parts.times, {
    monotonicMs,
    async check({ node, engineId }, doubt, signal) {
      const answer = await parts.call(node, checkEngine(engineId, doubt), signal);
      return answer.ok ? answer.value : null;
    },
    hasOther: (replica) => board.hasOther(replica),
    wake: () => board.wake(),
    log: parts.log,
  });
  const board: ReplicaBoard = new ReplicaBoard(parts.localNode, parts.waitMs, watch);
  const probe = new IdleProbe(watch, parts.times, {
    monotonicMs,
    async ask(replica, signal) {
      const wire = ENGINE_WIRES[replica.engine];
      if (wire === undefined) return ok(undefined);
      const post = (to: typeof replica, path: string, body: string, over: AbortSignal) =>
        parts.link().fetch(to, path, { body, fresh: true, signal: over });
      return await askOneToken(replica, wire, post, signal);
    },
  });
  const picker: ReplicaPicker = {
    async pick(model, tried, signal) {
      const picked = await board.pick(model, tried, signal);
      if (!picked.ok) return picked;
      const { engine } = picked.value.replica;
      const wire = ENGINE_WIRES[engine];
      if (wire) return ok({ ...picked.value, wire });
      return err({ kind: "engine_failed", engine, cause: "this version has no driver for it" });
    },
    begin(replica, attempt) {
      const free = board.begin(replica);
      const end = watch.begin(replica, attempt);
      return () => {
        free();
        end();
      };
    },
    answered: (replica) => watch.answered(replica),
    failed: (replica, failure, gone) => watch.failed(replica, failure, gone),
  };
  return {
    board,
    picker,
    start() {
      watch.start();
      probe.start();
    },
    stop() {
      watch.stop();
      probe.stop();
    },
  };
}
