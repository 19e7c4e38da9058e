import { hkdfSync } from "node:crypto";
import { z } from "zod";
import type { Clock } from "../core/clock.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { LeaderIdentity } from "./leader-identity.ts";
import type { NodeRefusal } from "./node-protocol.ts";

/** Three times as long as a credential lasts: a node that was off for two months still has a good one. */
export const PROOF_TTL_MS = 90 * 86_400_000;

const ALGORITHM = "HS256";
/** Keeps proofs and join tokens, both JWTs of one leader, from being taken for each other; so do their keys. */
const TYPE = "flock-proof+jwt";

/** What a leader says of a node that it has registered. */
export interface ProofSubject {
  readonly node: string;
  readonly name: string;
  readonly machine: string;
  readonly assign: boolean;
  /** The node's X25519 key, as it goes over the wire. */
  readonly linkKey: string;
  /** Epoch ms: since when this is its key. Of two keys of a node the newer one counts. */
  readonly since: number;
}

const claims = z.strictObject({
  iss: z.literal("flock"),
  iat: z.number().int(),
  exp: z.number().int(),
  leader: z.string(),
  node: z.string().min(1).max(64),
  name: z.string().min(1).max(80),
  machine: z.string(),
  assign: z.boolean(),
  /** SHA-256 of the link key. */
  key: z.string(),
  since: z.number().int(),
});

/** What a caller says of itself besides the proof; that it holds the key is checked by its signature. */
export interface ProofBearer {
  readonly linkKey: string;
  readonly machine: string;
}

/**
 * A leader's word to itself that it registered a node, kept by that node: with it the leader knows the node again when its
 * records are lost. A proof names a key and holds no secret; whoever presents one has to sign with that key.
 */
export class RegistrationProofs {
  readonly #leader: string;
  readonly #clock: Clock;
  readonly #key: Uint8Array;

  constructor(identity: Pick<LeaderIdentity, "id" | "tokenSecret">, clock: Clock) {
    this.#leader = identity.id;
    this.#clock = clock;
    const secret = Buffer.from(identity.tokenSecret, "base64url");
    this.#key = new Uint8Array(hkdfSync("sha256", secret, "", "flock registration proof", 32));
  }

  async issue({ linkKey, ...subject }: ProofSubject): Promise<string> {
    const issuedAt = Math.floor(this.#clock.now() / 1_000);
    const said: z.infer<typeof claims> = {
      iss: "flock",
      iat: issuedAt,
      exp: issuedAt + PROOF_TTL_MS / 1_000,
      leader: this.#leader,
      key: hashOf(linkKey),
      ...subject,
    };
    const { SignJWT } = await import("jose");
    return await new SignJWT(said).setProtectedHeader({ alg: ALGORITHM, typ: TYPE }).sign(this.#key);
  }

  /** What this leader said in it, if it is a good one and the bearer's. */
  async check(proof: string, { linkKey, machine }: ProofBearer): Promise<Result<ProofSubject, NodeRefusal>> {
    const { errors, jwtVerify } = await import("jose");
    try {
      const currentDate = new Date(this.#clock.now());
      const options = { algorithms: [ALGORITHM], typ: TYPE, issuer: "flock", currentDate };
      const { payload } = await jwtVerify(proof, this.#key, options);
      const said = claims.safeParse(payload);
      if (!said.success || said.data.leader !== this.#leader) return err(foreign());
      const { node, name, assign, since, key } = said.data;
      if (key !== hashOf(linkKey)) return err(refused("the proof of registration is of another credential"));
      if (said.data.machine !== machine)
        return err(refused("the proof of registration is of another machine, or the data directory was moved"));
      return ok({ node, name, machine, assign, linkKey, since });
    } catch (error) {
      if (error instanceof errors.JWTExpired) {
        const message = "the proof of registration has expired: this node was away for longer than 90 days";
        return err({ code: "proof_expired", message, mend: NEW_TOKEN });
      }
      if (error instanceof errors.JOSEError) return err(foreign());
      throw error;
    }
  }
}

export function refused(message: string): NodeRefusal {
  return { code: "proof_refused", message, mend: NEW_TOKEN };
}

function foreign(): NodeRefusal {
  return refused("the proof of registration was not made by this leader");
}

function hashOf(linkKey: string): string {
  return new Bun.CryptoHasher("sha256").update(linkKey).digest("base64url");
}

const NEW_TOKEN = "flock join   # with a new token: flock token create --node at the leader";
