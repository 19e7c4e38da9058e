import { checkEngine } from "../../cluster/node-operations.ts";
import type { Link } from "../../cluster/link.ts";
import { ok } from "../../core/result.ts";
import { ENGINE_WIRES } from "../../engine/registry.ts";
import type { EngineLink, ReplicaPicker } from "../../gateway/ports.ts";
import type { HealthTimes } from "../../health/health-times.ts";
import { IdleProbe } from "../../health/idle-probe.ts";
import { askOneToken } from "../../health/one-token.ts";
import { ReplicaWatch } from "../../health/replica-watch.ts";
import { routedPicker } from "../../gateway/routed-picker.ts";
import { Detours } from "../../routing/detours.ts";
import { ReplicaBoard } from "../../routing/replica-board.ts";
import { systemRouterClock } from "../../routing/router-port.ts";
import { Router, type RouterLimits, type RouterOptions } from "../../routing/router.ts";

export interface ReplicaParts {
  readonly localNode: string;
  readonly limits: RouterLimits;
  readonly stickySessions: boolean;
  /** From when on a slow model is spared; 0: never. */
  readonly p95LimitMs: number;
  readonly severalKeys: () => boolean;
  readonly onDecision: RouterOptions["onDecision"];
  readonly times: HealthTimes;
  readonly call: Link["call"];
  readonly link: () => EngineLink;
  readonly log: (message: string, fields: Record<string, unknown>) => void;
}

export interface WatchedReplicas {
  readonly board: ReplicaBoard;
  readonly router: Router;
  readonly picker: ReplicaPicker;
  readonly detours: Detours;
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
  const board: ReplicaBoard = new ReplicaBoard(watch);
  const detours = new Detours(board, parts.p95LimitMs, monotonicMs);
  const { localNode, limits, stickySessions, severalKeys, onDecision } = parts;
  const router = new Router({
    board,
    localNode,
    limits,
    stickySessions,
    severalKeys,
    onDecision,
    clock: systemRouterClock,
  });
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
    ...routedPicker(router, (engine) => ENGINE_WIRES[engine]),
    begin: (replica, attempt) => watch.begin(replica, attempt),
    answered: (replica) => watch.answered(replica),
    failed: (replica, failure, gone) => watch.failed(replica, failure, gone),
  };
  return {
    board,
    router,
    detours,
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
