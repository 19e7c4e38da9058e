import type { Clock } from "../../core/clock.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { type SigningKeys, signingKeys } from "../link-key.ts";
import type { NodeKeys } from "../node-credential.ts";
import type { NodeDirectory } from "../node-endpoint.ts";
import type { NodeRefusal } from "../node-protocol.ts";
import { revokedNode, unknownNode } from "../node-refusal.ts";
import { ReplayGuard } from "../replay-guard.ts";
import { badSignature, type CallToVerify, parseSigned, verifySigned } from "../signed-call.ts";

export interface CallerCheckParts {
  readonly directory: NodeDirectory;
  /** The leader's X25519 key, PKCS#8 in PEM. */
  readonly linkPrivateKey: string;
  readonly clock: Clock;
  /** Random: see `Audience`. */
  readonly audience: string;
  /** The first call signed with a node's next keys came. */
  readonly rotated: (node: string) => void;
  /** A call that was this node's without doubt was not taken: its clock is wrong. */
  readonly skewed: (node: string, why: string) => void;
}

/** Says which worker a signed call is from. One for all ways in, so that a call is taken once whichever way it comes. */
export class CallerCheck {
  readonly #parts: CallerCheckParts;
  readonly #derived = new Map<string, { readonly keys: SigningKeys; readonly guard: ReplayGuard }>();

  constructor(parts: CallerCheckParts) {
    this.#parts = parts;
  }

  get audience(): string {
    return this.#parts.audience;
  }

  check(signed: string | null, call: CallToVerify): Result<{ readonly node: string }, NodeRefusal> {
    const claim = parseSigned(signed);
    if (claim === null) return err(badSignature("the call is not signed"));
    const known = this.#parts.directory.keysOf(claim.node);
    if (known === null) return err(unknownNode(claim.node));
    // Of a node that was removed nothing is checked: that is what it must hear.
    if (known.revoked) return err(revokedNode(claim.node));
    const verified = this.#verify(known.keys, claim, call);
    if (verified.ok) return ok({ node: claim.node });
    if (verified.error.code === "clock_skew") this.#parts.skewed(claim.node, verified.error.message);
    if (known.next === null || verified.error.code !== "signature") return verified;
    const next = this.#verify(known.next, claim, call);
    if (!next.ok) return next.error.code === "signature" ? verified : next;
    this.#parts.rotated(claim.node);
    return ok({ node: claim.node });
  }

  /** Whether the caller holds this key of this node, which need not be on record. */
  holds(key: { readonly node: string; readonly linkKey: string }, signed: string | null, call: CallToVerify) {
    const claim = parseSigned(signed);
    if (claim === null || claim.node !== key.node) return err(badSignature("the call is not signed by this node"));
    return this.#verify(key, claim, call);
  }

  #verify(keys: Pick<NodeKeys, "linkKey">, claim: NonNullable<ReturnType<typeof parseSigned>>, call: CallToVerify) {
    const { keys: derived, guard } = this.#of(keys.linkKey);
    const { audience, clock } = this.#parts;
    return verifySigned(claim, call, derived.toLeader, guard, { audience, clock, caller: "worker" });
  }

  #of(linkKey: string): { readonly keys: SigningKeys; readonly guard: ReplayGuard } {
    const known = this.#derived.get(linkKey);
    if (known !== undefined) return known;
    const made = { keys: signingKeys(this.#parts.linkPrivateKey, linkKey), guard: new ReplayGuard() };
    this.#derived.set(linkKey, made);
    return made;
  }
}
