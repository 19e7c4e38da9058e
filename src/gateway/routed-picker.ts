import type { CancelSignal } from "../core/cancellation.ts";
import type { Failure } from "../core/failure.ts";
import type { EngineKind, Replica } from "../core/replica.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { EngineWire } from "../engine/driver.ts";
import type { RouteAsk } from "../core/route-ask.ts";
import type { Choice, Lease, ReplicaPicker } from "./ports.ts";

/** A slot as the router gives it. */
interface RoutedLease extends Lease {
  readonly replica: Replica;
  readonly reason: string;
  readonly queueMs: number;
}

type Routed = Result<RoutedLease, Failure>;

/** What the gateway uses of a router. */
export interface SlotRouter {
  pick(ask: RouteAsk, tried: ReadonlySet<string>, signal: CancelSignal): Routed | Promise<Routed>;
  peek(model: string): Replica | null;
  widest(model: string): number;
}

/** The router's slots, each with the wire of its engine. */
export function routedPicker(
  router: SlotRouter,
  wireOf: (engine: EngineKind) => EngineWire | undefined,
): Pick<ReplicaPicker, "pick" | "peek" | "widest"> {
  const toChoice = (routed: Routed): Result<Choice, Failure> => {
    if (!routed.ok) return routed;
    const { value: lease } = routed;
    const { replica, reason, queueMs } = lease;
    const wire = wireOf(replica.engine);
    if (wire !== undefined) return ok({ replica, wire, reason, lease, queueMs });
    lease.end(null);
    return err({ kind: "engine_failed", engine: replica.engine, cause: "this version has no driver for it" });
  };
  return {
    widest: (model) => router.widest(model),
    pick(ask, tried, signal) {
      const routed = router.pick(ask, tried, signal);
      return routed instanceof Promise ? routed.then(toChoice) : toChoice(routed);
    },
    peek(model) {
      const replica = router.peek(model);
      const wire = replica === null ? undefined : wireOf(replica.engine);
      if (replica === null || wire === undefined) return null;
      return { replica, wire, reason: "", lease: NO_SLOT, queueMs: 0 };
    },
  };
}

const NO_SLOT: Lease = { prefilled: () => undefined, end: () => undefined };
