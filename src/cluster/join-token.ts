import { z } from "zod";

/** How long a join token may be used. */
export const JOIN_TOKEN_TTL_MS = 5 * 60_000;

/**
 * What a join token (a JWT signed by the leader) says. A worker reads it unverified, to learn where the leader is and by
 * which certificate to know it; the leader verifies it when it comes back, and takes it once.
 */
export const joinTokenClaims = z.strictObject({
  iss: z.literal("flock"),
  /** Single use is kept by this id. */
  jti: z.string().min(1),
  /** Seconds since the epoch. */
  iat: z.number().int(),
  exp: z.number().int(),
  /** The leader's id. */
  leader: z.string().min(1),
  /** `host:port` of the leader's node port, all that other machines may reach it by. */
  addresses: z.array(z.string().min(3)).min(1),
  /** SHA-256 of the leader's certificate (DER), in lower-case hex. */
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
});
export type JoinTokenClaims = z.infer<typeof joinTokenClaims>;
