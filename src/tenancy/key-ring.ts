import type { Clock } from "../core/clock.ts";
import type { Failure } from "../core/failure.ts";
import type { Principal } from "../core/principal.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { KeyRecord } from "../store/keys.ts";
import { hashSecret, hasSecretPrefix } from "./key-secret.ts";

interface Held {
  readonly found: Result<Principal, Failure>;
  readonly expiresAt: number | null;
  readonly revoked: boolean;
}

const MEND = "create one with `flock token create <name>`, or ask your Flock admin";

/**
 * All keys by hash, in memory: a request is authenticated without the store, in about a microsecond. Changes are `put`
 * after they are committed. Holds hashes, no secrets.
 */
export class KeyRing {
  readonly #clock: Clock;
  readonly #byHash = new Map<string, Held>();
  /** Of what senders present, for as long as these are there. */
  readonly #hashes = new WeakMap<object, string>();

  constructor(clock: Clock, keys: Iterable<KeyRecord>) {
    this.#clock = clock;
    for (const key of keys) this.put(key);
  }

  get size(): number {
    return this.#byHash.size;
  }

  /** Who holds `secret`, as of now. `sender`: an object that comes with the same secret each time. Failures say what to do and never repeat the secret. */
  find(secret: string, sender?: object): Result<Principal, Failure> {
    const held = this.#byHash.get(this.#hashOf(secret, sender));
    if (held === undefined) return refuse(unknownReason(secret));
    if (held.revoked) return refuse(`this key was revoked; ${MEND}`);
    if (held.expiresAt !== null && this.#clock.now() >= held.expiresAt) {
      return refuse(`this key expired at ${new Date(held.expiresAt).toISOString()}; ${MEND}`);
    }
    return held.found;
  }

  #hashOf(secret: string, sender: object | undefined): string {
    if (sender === undefined) return hashSecret(secret);
    let hash = this.#hashes.get(sender);
    if (hash === undefined) this.#hashes.set(sender, (hash = hashSecret(secret)));
    return hash;
  }

  /** Adds a key, or replaces what was known of it. */
  put(key: KeyRecord): void {
    this.#byHash.set(key.hash, {
      found: ok(toPrincipal(key)),
      expiresAt: key.expiresAt,
      revoked: key.revokedAt !== null,
    });
  }

  remove(hash: string): void {
    this.#byHash.delete(hash);
  }
}

function toPrincipal(key: KeyRecord): Principal {
  return {
    keyId: key.id,
    keyName: key.name,
    userId: key.userId,
    scope: key.scope,
    limits: key.limits,
    models: key.models,
    localOnly: key.localOnly,
    priority: key.priority,
    expiresAt: key.expiresAt,
  };
}

function unknownReason(secret: string): string {
  if (secret === "") return "no API key was sent: use `Authorization: Bearer sk-orc-…` or `x-api-key: sk-orc-…`";
  if (!hasSecretPrefix(secret)) return `this is not a Flock key (they start with sk-orc-); ${MEND}`;
  return `this key is not known here; ${MEND}`;
}

function refuse(reason: string): Result<never, Failure> {
  return err({ kind: "unauthenticated", reason });
}
