import { err, ok, type Result } from "../core/result.ts";
import type { KeyChanges } from "./api/tokens.ts";
import { type CliFailure, usageFailure } from "./cli-failure.ts";
import { parseExpiry } from "./format.ts";

const ANY = { type: "integer", placeholder: "n", min: 0, max: Number.MAX_SAFE_INTEGER } as const;

/** What may be said of a key, when it is made and later. */
export const LIMIT_FLAGS = {
  quota: { summary: "Tokens a day (UTC), prompt and answer; 0: no limit", ...ANY },
  rpm: { summary: "Requests a minute; 0: no limit", ...ANY },
  tpm: { summary: "Tokens a minute; 0: no limit", ...ANY },
  concurrency: { summary: "Requests at once; 0: no limit", ...ANY },
  models: { type: "list", summary: "Only these ids, aliases or patterns (qwen3-*); '*': all", placeholder: "id,id" },
  expires: { type: "text", summary: "End: 12h, 30d, 2w, a date (its end, UTC), or never", placeholder: "when" },
  "local-only": { type: "boolean", summary: "Never let a request of this key leave the building", default: null },
  priority: { type: "choice", summary: "Who goes first where requests wait", choices: ["interactive", "batch"] },
} as const;

interface LimitFlagValues {
  readonly quota: number | undefined;
  readonly rpm: number | undefined;
  readonly tpm: number | undefined;
  readonly concurrency: number | undefined;
  readonly models: readonly string[] | undefined;
  readonly expires: string | undefined;
  readonly "local-only": boolean | undefined;
  readonly priority: string | undefined;
}

/** As the admin API wants it; only what was given. */
export function readLimitFlags(flags: LimitFlagValues, now: number): Result<KeyChanges, CliFailure> {
  const limits = {
    ...(flags.quota === undefined ? {} : { daily_tokens: flags.quota }),
    ...(flags.rpm === undefined ? {} : { requests_per_minute: flags.rpm }),
    ...(flags.tpm === undefined ? {} : { tokens_per_minute: flags.tpm }),
    ...(flags.concurrency === undefined ? {} : { concurrency: flags.concurrency }),
  };
  const expiresAt = readExpiry(flags.expires, now);
  if (!expiresAt.ok) return expiresAt;
  return ok({
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    ...(flags.models === undefined ? {} : { models: flags.models.includes("*") ? [] : [...flags.models] }),
    ...(expiresAt.value === undefined ? {} : { expires_at: expiresAt.value }),
    ...(flags["local-only"] === undefined ? {} : { local_only: flags["local-only"] }),
    ...(flags.priority === undefined ? {} : { priority: flags.priority === "batch" ? "batch" : "interactive" }),
  });
}

function readExpiry(text: string | undefined, now: number): Result<number | null | undefined, CliFailure> {
  if (text === undefined) return ok(undefined);
  if (text === "never") return ok(null);
  const at = parseExpiry(text, now);
  if (at === null) return err(usageFailure(`--expires ${text} is neither a span nor a date`, "--expires 30d"));
  if (at <= now) return err(usageFailure(`--expires ${text} lies in the past`, "--expires 30d"));
  return ok(at);
}
