import { err, ok, type Result } from "../../core/result.ts";
import { tokensApi } from "../api/tokens.ts";
import { type CliFailure, EXIT, usageFailure } from "../cli-failure.ts";
import { type BaseContext, command } from "../command.ts";
import { parseExpiry, time } from "../format.ts";
import { keyLimits } from "../key-limits.ts";
import type { Out } from "../output.ts";

const ANY = { placeholder: "n", min: 0, max: Number.MAX_SAFE_INTEGER } as const;

export const tokenCreate = command({
  description: "The key is shown this once; Flock keeps only its hash.",
  args: { name: { summary: "Whose or what the key is for", required: false } },
  flags: {
    admin: { type: "boolean", summary: "Let the key administer Flock" },
    offline: {
      type: "boolean",
      summary: "With --admin, while Flock is stopped: a new admin.key in the data directory; needs no key",
    },
    node: { type: "boolean", summary: "A join token for a worker (not in this version yet)" },
    quota: { type: "integer", summary: "Tokens a day; 0: no limit", ...ANY },
    concurrency: { type: "integer", summary: "Requests at once; 0: no limit", ...ANY },
    "requests-per-minute": { type: "integer", summary: "Requests a minute; 0: no limit", ...ANY },
    "tokens-per-minute": { type: "integer", summary: "Tokens a minute; 0: no limit", ...ANY },
    models: { type: "list", summary: "Only these models", placeholder: "id,id" },
    expires: { type: "text", summary: "End: 12h, 30d, 2w, or a date (its end, UTC)", placeholder: "when" },
    "local-only": { type: "boolean", summary: "Never let a request of this key leave the building" },
  },
  json: true,
  examples: [
    "flock token create alice",
    "flock token create ci --quota 100000 --expires 30d --models qwen3-coder",
    "flock token create ops --admin --json",
    "flock token create --admin --offline",
  ],
  async run(context, out) {
    const { args, flags } = context;
    if (flags.node) {
      const message = "Join tokens (--node) are not available in this version yet";
      return err({ exitCode: EXIT.failure, code: "not_implemented", message, mend: "flock token create --help" });
    }
    const expiresAt = flags.expires === undefined ? undefined : parseExpiry(flags.expires, context.clock.now());
    if (expiresAt === null) {
      return err(usageFailure(`--expires ${flags.expires} is neither a span nor a date`, "--expires 30d"));
    }
    if (expiresAt !== undefined && expiresAt <= context.clock.now()) {
      return err(usageFailure(`--expires ${flags.expires} lies in the past`, "--expires 30d"));
    }
    if (flags.offline) return await createOffline(context, out, { admin: flags.admin, name: args.name });
    const server = await context.admin();
    if (!server.ok) return server;
    const created = await tokensApi(server.value).create({
      ...(args.name === undefined ? {} : { name: args.name }),
      scope: flags.admin ? "admin" : "user",
      limits: {
        daily_tokens: flags.quota ?? 0,
        concurrency: flags.concurrency ?? 0,
        requests_per_minute: flags["requests-per-minute"] ?? 0,
        tokens_per_minute: flags["tokens-per-minute"] ?? 0,
      },
      ...(flags.models === undefined ? {} : { models: [...flags.models] }),
      ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
      local_only: flags["local-only"],
    });
    if (!created.ok) return created;
    const { key, token } = created.value;
    out.document(created.value, () => {
      out.line(token, "strong");
      // On stderr, so that `KEY=$(flock token create)` is the key alone.
      out.note(`✔ Key ${key.id} for ${key.name || "nobody in particular"} (${key.scope}, ${keyLimits(key)})`, "good");
      if (key.expires_at !== null) out.note(`It ends on ${time(key.expires_at)}.`);
      out.note(`Copy it now: it is not shown again. Revoke it with: flock token revoke ${key.id}`);
    });
    return ok(undefined);
  },
});

/** The way back in when no admin key is left: whoever may write the data directory may make one. */
async function createOffline(
  context: BaseContext,
  out: Out,
  given: { readonly admin: boolean; readonly name: string | undefined },
): Promise<Result<void, CliFailure>> {
  if (!given.admin || given.name !== undefined) {
    return err(
      usageFailure("--offline makes the admin key only, without a name", "flock token create --admin --offline"),
    );
  }
  const config = await context.loadConfig();
  if (!config.ok) return config;
  const made = await context.leader.resetAdminKey(config.value);
  if (!made.ok) return err({ exitCode: EXIT.failure, ...made.error });
  const { path, secret } = made.value;
  out.document({ path, token: secret }, () => {
    out.line(secret, "strong");
    out.note(`✔ A new admin key; it is kept in ${path}. Earlier keys still work: flock token ls`, "good");
  });
  return ok(undefined);
}
