import type { Replica } from "../core/replica.ts";
import type { Decision } from "./choose-replica.ts";
import type { ReplicaLoad } from "./replica-load.ts";

/** What became of one replica in a decision. */
export interface ReplicaVerdict {
  readonly replica: Replica;
  readonly inFlight: number;
  readonly outstandingTokens: number;
  readonly taken: boolean;
  /** Why it was taken, or why not. */
  readonly reason: string;
}

export interface RouteExplanation {
  /** Requests that wait for a slot of the model. */
  readonly waiting: number;
  /** The one that is taken first. */
  readonly replicas: readonly ReplicaVerdict[];
}

/** Of clusters with more replicas of one model only the first are named. */
const MOST_VERDICTS = 256;

/** Every replica of a model with what speaks against it; `refusal` null: it could take the request. Pure. */
export function explainRoute(
  loads: readonly ReplicaLoad[],
  refusal: (load: ReplicaLoad) => string | null,
  decide: (candidates: readonly ReplicaLoad[]) => Decision<ReplicaLoad>,
): readonly ReplicaVerdict[] {
  const refused = new Map(loads.map((load) => [load, refusal(load)]));
  const candidates = loads.filter((load) => refused.get(load) === null);
  const decision = candidates.length === 0 ? null : decide(candidates);
  const verdicts = loads.map((load): ReplicaVerdict => {
    const { replica, inFlight, outstandingTokens } = load;
    const taken = load === decision?.candidate;
    const reason = taken ? decision.reason : (refused.get(load) ?? passedOver(load, decision));
    return { replica, inFlight, outstandingTokens: Math.round(outstandingTokens), taken, reason };
  });
  return verdicts.toSorted((a, b) => Number(b.taken) - Number(a.taken)).slice(0, MOST_VERDICTS);
}

function passedOver({ outstandingTokens }: ReplicaLoad, decision: Decision<ReplicaLoad> | null): string {
  const other = decision?.candidate;
  if (other === undefined) return "";
  if (outstandingTokens > other.outstandingTokens) return `it has more to do than ${other.replica.id}`;
  return decision?.reason.startsWith("least") ? `as busy as ${other.replica.id}` : "it does not know the conversation";
}
