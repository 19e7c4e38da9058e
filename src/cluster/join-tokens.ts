import { decodeJwt } from "jose/jwt/decode";
import type { Clock } from "../core/clock.ts";
import { err, ok, type Result } from "../core/result.ts";
import { fingerprintOf } from "./certificate.ts";
import { JOIN_TOKEN_TTL_MS, joinTokenClaims, type JoinTokenClaims } from "./join-token.ts";
import type { LeaderIdentity } from "./leader-identity.ts";
import type { NodeRefusal } from "./node-protocol.ts";

const ALGORITHM = "HS256";
const NEW_TOKEN = "flock token create --node   # at the leader";

/** Where it is written down that a token was made, and used. */
export interface JoinTokenRecords {
  add(id: string, expiresAt: number): Promise<void>;
  /** Marks it used. Of two at once only one gets "spent". */
  spend(id: string, now: number): Promise<"spent" | "used" | "unknown">;
}

export interface IssuedJoinToken {
  readonly id: string;
  readonly token: string;
  /** Epoch ms. */
  readonly expiresAt: number;
}

/** Makes join tokens and takes each of them back once. */
export class JoinTokens {
  readonly #identity: LeaderIdentity;
  readonly #records: JoinTokenRecords;
  readonly #clock: Clock;
  readonly #key: Uint8Array;

  constructor(identity: LeaderIdentity, records: JoinTokenRecords, clock: Clock) {
    this.#identity = identity;
    this.#records = records;
    this.#clock = clock;
    this.#key = Buffer.from(identity.tokenSecret, "base64url");
  }

  /** `addresses`: `host:port` of the node port, as other machines may reach it. */
  async issue(addresses: readonly string[]): Promise<IssuedJoinToken> {
    const issuedAt = Math.floor(this.#clock.now() / 1_000);
    const claims: JoinTokenClaims = {
      iss: "flock",
      jti: `j_${crypto.randomUUID().replaceAll("-", "").slice(0, 20)}`,
      iat: issuedAt,
      exp: issuedAt + JOIN_TOKEN_TTL_MS / 1_000,
      leader: this.#identity.id,
      addresses: [...addresses],
      fingerprint: fingerprintOf(this.#identity.certificate),
    };
    const expiresAt = claims.exp * 1_000;
    await this.#records.add(claims.jti, expiresAt);
    const { SignJWT } = await jose();
    const token = await new SignJWT({ ...claims }).setProtectedHeader({ alg: ALGORITHM }).sign(this.#key);
    return { id: claims.jti, token, expiresAt };
  }

  /** Checks a token and spends it: the same one is refused from now on. */
  async redeem(token: string): Promise<Result<{ readonly id: string }, NodeRefusal>> {
    const claims = await this.#verify(token);
    if (!claims.ok) return claims;
    const spent = await this.#records.spend(claims.value.jti, this.#clock.now());
    if (spent === "spent") return ok({ id: claims.value.jti });
    if (spent === "used") {
      return err({
        code: "token_used",
        message: "this join token was used already: each is for one machine",
        mend: NEW_TOKEN,
      });
    }
    return err(foreign("this leader does not know the join token"));
  }

  async #verify(token: string): Promise<Result<JoinTokenClaims, NodeRefusal>> {
    const { errors, jwtVerify } = await jose();
    try {
      const now = new Date(this.#clock.now());
      const verified = await jwtVerify(token, this.#key, {
        algorithms: [ALGORITHM],
        issuer: "flock",
        currentDate: now,
      });
      const claims = joinTokenClaims.safeParse(verified.payload);
      if (!claims.success || claims.data.leader !== this.#identity.id)
        return err(foreign("the join token is of another leader"));
      return ok(claims.data);
    } catch (error) {
      if (error instanceof errors.JWTExpired)
        return err({
          code: "token_expired",
          message: "the join token has expired: it is good for 5 minutes",
          mend: NEW_TOKEN,
        });
      // Whatever else is wrong with it, this leader did not make it.
      if (error instanceof errors.JOSEError) return err(foreign("the join token was not made by this leader"));
      throw error;
    }
  }
}

/** What a token says of its leader, for the machine that joins; it is not verified. Null: that is no join token. */
export function readJoinToken(token: string): JoinTokenClaims | null {
  try {
    const claims = joinTokenClaims.safeParse(decodeJwt(token));
    return claims.success ? claims.data : null;
  } catch {
    return null;
  }
}

/** 46 modules that a start would load for tokens that few machines ever see. */
async function jose() {
  return await import("jose");
}

function foreign(message: string): NodeRefusal {
  return { code: "token_foreign", message, mend: NEW_TOKEN };
}
