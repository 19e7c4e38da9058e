import { err, type Result } from "../core/result.ts";
import type { Clock } from "../core/clock.ts";
import { signingKeys } from "../cluster/link-key.ts";
import type { NodeRefusal } from "../cluster/node-protocol.ts";
import { ReplayGuard } from "../cluster/replay-guard.ts";
import { readTicket, type TicketClaims } from "../cluster/ticket.ts";
import { badSignature, type CallToVerify, parseSigned, type Receiver, verifySigned } from "../cluster/signed-call.ts";

/** Says whether a call is the leader's, or one that the leader gave a ticket for. */
export class LeaderCheck {
  readonly #node: string;
  readonly #leaderKey: string;
  readonly #receiver: Receiver;
  #known: readonly { readonly key: Uint8Array; readonly tickets: Uint8Array; readonly guard: ReplayGuard }[] = [];

  /** `audience`: random, see `Audience`. */
  constructor(node: string, leaderKey: string, clock: Clock, audience: string) {
    this.#node = node;
    this.#leaderKey = leaderKey;
    this.#receiver = { audience, clock, caller: "leader" };
  }

  /** To whom the leader makes its calls out. */
  get audience(): string {
    return this.#receiver.audience;
  }

  /** From now on calls under this key of ours are taken too, and of the earlier ones the last. */
  use(linkPrivateKey: string): void {
    const { toWorker, tickets } = signingKeys(linkPrivateKey, this.#leaderKey);
    this.#known = [{ key: toWorker, tickets, guard: new ReplayGuard() }, ...this.#known.slice(0, 1)];
  }

  check(signed: string | null, call: CallToVerify): Result<void, NodeRefusal> {
    const claim = parseSigned(signed);
    if (claim === null || claim.node !== this.#node) return err(badSignature("the call is not signed for this node"));
    let refusal: Result<void, NodeRefusal> = err(badSignature("this node has no key"));
    for (const { key, guard } of this.#known) {
      refusal = verifySigned(claim, call, key, guard, this.#receiver);
      if (refusal.ok || refusal.error.code !== "signature") return refusal;
    }
    return refusal;
  }

  /** `fingerprint`: of the certificate that whoever shows the ticket has shown. */
  ticket(ticket: string, fingerprint: string): Result<TicketClaims, NodeRefusal> {
    const bearer = { node: this.#node, fingerprint, now: this.#receiver.clock.now() };
    let refusal: Result<TicketClaims, NodeRefusal> = err(badSignature("this node has no key"));
    for (const { tickets } of this.#known) {
      refusal = readTicket(ticket, tickets, bearer);
      if (refusal.ok) return refusal;
    }
    return refusal;
  }
}
