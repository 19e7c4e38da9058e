import type { Failure } from "../core/failure.ts";
import type { Principal } from "../core/principal.ts";
import type { Result } from "../core/result.ts";
import type { Authenticator } from "./ports.ts";

/**
 * Both ways of sending a key are taken on every surface: the Anthropic SDK sends a bearer since 1.x, older ones and
 * plain curl an `x-api-key`. A bearer wins, because tools that send both keep a stale key in the other.
 */
function presentedSecret(headers: Pick<Headers, "get">): string {
  const authorization = headers.get("authorization");
  if (authorization !== null) {
    if (authorization.startsWith("Bearer ")) return authorization.slice("Bearer ".length).trim();
    const space = authorization.indexOf(" ");
    if (space > 0 && authorization.slice(0, space).toLowerCase() === "bearer")
      return authorization.slice(space + 1).trim();
  }
  return headers.get("x-api-key") ?? "";
}

/** `sender`: see `Authenticator`. */
export function authenticate(
  keys: Authenticator,
  headers: Pick<Headers, "get">,
  sender?: object,
): Result<Principal, Failure> {
  return keys.find(presentedSecret(headers), sender);
}
