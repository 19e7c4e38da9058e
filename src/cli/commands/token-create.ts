import { err, ok, type Result } from "../../core/result.ts";
import { tokensApi } from "../api/tokens.ts";
import { type CliFailure, EXIT, usageFailure } from "../cli-failure.ts";
import { type BaseContext, command } from "../command.ts";
import { time } from "../format.ts";
import { keyLimits } from "../key-limits.ts";
import { LIMIT_FLAGS, readLimitFlags } from "../limit-flags.ts";
import type { Out } from "../output.ts";

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
    ...LIMIT_FLAGS,
  },
  json: true,
  examples: [
    "flock token create alice",
    "flock token create ci --quota 100000 --rpm 60 --expires 30d --models qwen3-coder,fast --priority batch",
    "flock token create ops --admin --json",
    "flock token create --admin --offline",
  ],
  async run(context, out) {
    const { args, flags } = context;
    if (flags.node) {
      const message = "Join tokens (--node) are not available in this version yet";
      return err({ exitCode: EXIT.failure, code: "not_implemented", message, mend: "flock token create --help" });
    }
    const rights = readLimitFlags(flags, context.clock.now());
    if (!rights.ok) return rights;
    if (flags.offline) return await createOffline(context, out, { admin: flags.admin, name: args.name });
    const server = await context.admin();
    if (!server.ok) return server;
    const created = await tokensApi(server.value).create({
      ...(args.name === undefined ? {} : { name: args.name }),
      scope: flags.admin ? "admin" : "user",
      ...rights.value,
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
