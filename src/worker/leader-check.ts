import { err, type Result } from "../core/result.ts";
import type { Clock } from "../core/clock.ts";
import { signingKeys } from "../cluster/link-key.ts";
import type { NodeRefusal } from "../cluster/node-protocol.ts";
import { ReplayGuard } from "../cluster/replay-guard.ts";
import { badSignature, type CallToVerify, parseSigned, verifySigned } from "../cluster/signed-call.ts";

/** Says whether a call is the leader's. */
export class LeaderCheck {
  readonly #node: string;
  readonly #leaderKey: string;
  readonly #clock: Clock;
  #known: readonly { readonly key: Uint8Array; readonly guard: ReplayGuard }[] = [];

  constructor(node: string, leaderKey: string, clock: Clock) {
    this.#node = node;
    this.#leaderKey = leaderKey;
    this.#clock = clock;
  }

  /** From now on calls under this key of ours are taken too, and of the earlier ones the last. */
  use(linkPrivateKey: string): void {
    const { toWorker } = signingKeys(linkPrivateKey, this.#leaderKey);
    this.#known = [{ key: toWorker, guard: new ReplayGuard() }, ...this.#known.slice(0, 1)];
  }

  check(signed: string | null, call: CallToVerify): Result<void, NodeRefusal> {
    const claim = parseSigned(signed);
    if (claim === null || claim.node !== this.#node) return err(badSignature("the call is not signed for this node"));
    let refusal: Result<void, NodeRefusal> = err(badSignature("this node has no key"));
    for (const { key, guard } of this.#known) {
      refusal = verifySigned(claim, call, key, guard, this.#clock);
      if (refusal.ok || refusal.error.code !== "signature") return refusal;
    }
    return refusal;
  }
}
