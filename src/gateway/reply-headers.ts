import type { Reply } from "../core/reply.ts";
import type { Replica } from "../core/replica.ts";
import type { Account } from "./account.ts";
import { answerHeaders, ownHeaders, routeHeaders } from "./enter.ts";

type Fields = Readonly<Record<string, string>>;

interface Shared {
  readonly base: Fields;
  readonly how: string;
  readonly why: string;
  readonly replica: Replica;
  readonly headers: Fields;
}

/** Answers of so many kinds are under way in turn; of more than these each is rendered anew. */
const MOST = 8;
const known: Shared[] = [];
let next = 0;

/**
 * The headers of an answer: `base`, the same object for all answers of its kind, and what the account says. What many
 * answers have in common is one object for all of them, since rendering it costs more than all else that a head needs.
 */
export function replyHeaders(account: Account, base: Fields): Pick<Reply, "headers" | "own"> {
  const { adjusted, choice, detour, resolved } = account;
  if (choice === null || resolved === null || adjusted !== "" || detour !== "")
    return { headers: { ...base, ...answerHeaders(account) } };
  const { reason: why, replica } = choice;
  const own = ownHeaders(account);
  for (const one of known) {
    if (one.replica === replica && one.base === base && one.why === why && one.how === resolved.reason)
      return { headers: one.headers, own };
  }
  const headers = { ...base, ...routeHeaders(account) };
  known[next] = { base, how: resolved.reason, why, replica, headers };
  next = (next + 1) % MOST;
  return { headers, own };
}
