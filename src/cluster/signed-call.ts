import { timingSafeEqual } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { Audience } from "./audience.ts";
import type { NodeRefusal } from "./node-protocol.ts";
import type { ReplayGuard } from "./replay-guard.ts";

/**
 * The one header of a signed call: `<node>.<epoch ms>.<life>.<number>.<body hash or ->.<audience>.<mac>`. Protocol 3 has no
 * audience there.
 */
export const SIGNED_HEADER = "x-flock-signed";
/** How far the clocks of two nodes may be apart. */
export const MAX_SKEW_MS = 5 * 60_000;

/** In place of the body's hash: the body is not covered, which is for inference inside TLS only. */
const BODY_NOT_COVERED = "-";

export interface CallToSign {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** Null: the body is not covered. */
  readonly body: string | Uint8Array | null;
}

/** Signs the calls of one process to one node. */
export interface CallSigner {
  /** The value of `SIGNED_HEADER`, for the one process that may take it. */
  sign(call: CallToSign, audience: Audience): string;
}

export interface SignerParts {
  /** The worker's id, whoever calls. */
  readonly node: string;
  /** Of this direction. */
  readonly key: Uint8Array;
  readonly clock: Clock;
  /** Random letters and digits, new for each process and key: see `ReplayGuard`. */
  readonly life: string;
}

/** A name for the life of a process, as signer (`SignerParts.life`) or as receiver. */
export function newLife(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 16);
}

export function callSigner({ node, key, clock, life }: SignerParts): CallSigner {
  let number = 0;
  return {
    sign({ method, path, body }, audience) {
      number++;
      const hash = body === null ? BODY_NOT_COVERED : hashOf(body);
      const to = audience === null ? "" : `.${audience}`;
      const head = `${node}.${clock.now()}.${life}.${number}.${hash}${to}`;
      return `${head}.${macOf(key, head, method, path)}`;
    },
  };
}

/** What a call's header claims; nothing of it is proven yet. */
export interface SignedClaim {
  readonly node: string;
  readonly at: number;
  readonly life: string;
  readonly number: number;
  readonly bodyHash: string;
  readonly audience: Audience;
  readonly mac: string;
  /** What the mac is over, besides method and path. */
  readonly head: string;
}

/** Null: there is none, or it is none. */
export function parseSigned(header: string | null): SignedClaim | null {
  const match =
    /^([\w-]{1,64})\.(\d{1,16})\.([A-Za-z0-9]{8,32})\.(\d{1,15})\.(-|[\w-]{43})(?:\.(-|[A-Za-z0-9]{8,32}))?\.([\w-]{43})$/.exec(
      header ?? "",
    );
  if (match === null) return null;
  const [whole, node = "", at = "", life = "", number = "", bodyHash = "", audience, mac = ""] = match;
  const head = whole.slice(0, -mac.length - 1);
  return { node, at: Number(at), life, number: Number(number), bodyHash, audience: audience ?? null, mac, head };
}

export interface CallToVerify {
  readonly method: string;
  readonly path: string;
  /** Null: this kind of call need not cover its body. Otherwise all of it, and the signature must cover it. */
  readonly body: string | Uint8Array | null;
  /** The caller says that it speaks protocol 4 or later: it has to name an audience. */
  readonly named?: boolean;
}

/** The process that is called. */
export interface Receiver {
  readonly audience: string;
  readonly clock: Clock;
  /** Who calls it. */
  readonly caller: "worker" | "leader";
}

/**
 * Checks signature, body, clock, audience and that the call is new, in this order: a stranger learns nothing of the last
 * three.
 */
export function verifySigned(
  claim: SignedClaim,
  call: CallToVerify,
  key: Uint8Array,
  guard: ReplayGuard,
  { audience, clock, caller }: Receiver,
): Result<void, NodeRefusal> {
  const mac = Buffer.from(macOf(key, claim.head, call.method, call.path));
  if (!timingSafeEqual(mac, Buffer.from(claim.mac))) return err(badSignature("the signature does not fit the call"));
  if (call.body !== null && claim.bodyHash !== hashOf(call.body))
    return err(badSignature("the signature does not cover this body"));
  const aheadMs = claim.at - clock.now();
  if (Math.abs(aheadMs) > MAX_SKEW_MS) return err(clockSkew(aheadMs, caller));
  if (claim.audience === null ? call.named === true : claim.audience !== audience) return err(otherAudience(audience));
  if (!guard.take(claim.life, claim.number, claim.at, clock.now() - MAX_SKEW_MS))
    return err(badSignature("this call was made before"));
  return ok(undefined);
}

export const SET_CLOCK =
  "timedatectl set-ntp true   # on the machine whose clock is wrong; on a Mac: sudo sntp -sS time.apple.com";

export function badSignature(message: string): NodeRefusal {
  return {
    code: "signature",
    message,
    mend: "flock join   # with a new token: flock token create --node at the leader",
  };
}

function otherAudience(audience: string): NodeRefusal {
  const message =
    "the call was made out to another process than the one that answers: one of before a restart, or none";
  return { code: "audience", message, mend: "flock status   # the caller makes it out anew by itself", audience };
}

/** `aheadMs`: how far the caller's clock is ahead of the other one's. */
export function clockSkew(aheadMs: number, caller: "worker" | "leader"): NodeRefusal {
  const seconds = Math.round(Math.abs(aheadMs) / 1_000);
  const far = seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} minutes`;
  return {
    code: "clock_skew",
    message: `the clocks of the two machines are ${far} apart (the ${caller}'s is ${aheadMs > 0 ? "ahead" : "behind"}); 5 minutes are allowed`,
    mend: SET_CLOCK,
  };
}

function hashOf(body: string | Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(body).digest("base64url");
}

function macOf(key: Uint8Array, head: string, method: string, path: string): string {
  return new Bun.CryptoHasher("sha256", key).update(`flock-call\n${method}\n${path}\n${head}`).digest("base64url");
}
