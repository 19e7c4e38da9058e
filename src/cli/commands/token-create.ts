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
    node: { type: "boolean", summary: "A join token: one machine may join as a worker with it, within 5 minutes" },
    ...LIMIT_FLAGS,
  },
  json: true,
  examples: [
    "flock token create alice",
    "flock token create ci --quota 100000 --rpm 60 --expires 30d --models qwen3-coder,fast --priority batch",
    "flock token create ops --admin --json",
    "flock token create --admin --offline",
    "flock token create --node",
  ],
  async run(context, out) {
    const { args, flags } = context;
    if (flags.node) return await createJoinToken(context, out, args.name);
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

/** The line is the result, so that it can be pasted, or piped: `flock token create --node | ssh box sh`. */
async function createJoinToken(
  context: BaseContext,
  out: Out,
  name: string | undefined,
): Promise<Result<void, CliFailure>> {
  if (name !== undefined)
    return err(usageFailure("--node takes no name: the machine brings its own", "flock token create --node"));
  const server = await context.admin();
  if (!server.ok) return server;
  const { nodesApi } = await import("../api/nodes.ts");
  const invited = await nodesApi(server.value).invite();
  if (!invited.ok) return invited;
  const { command, expires_at, addresses } = invited.value;
  out.document(invited.value, () => {
    out.line(command, "strong");
    out.note(`✔ Type this on the machine that is to join, until ${time(expires_at)}; it works once.`, "good");
    out.note(`It will look for this leader at ${addresses.join(", ")}.`);
  });
  return ok(undefined);
}

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
