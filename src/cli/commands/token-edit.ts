import { err, ok } from "../../core/result.ts";
import { tokensApi } from "../api/tokens.ts";
import { usageFailure } from "../cli-failure.ts";
import { command } from "../command.ts";
import { relative } from "../format.ts";
import { findKey, pickKey } from "../key-choice.ts";
import { keyLimits } from "../key-limits.ts";
import { LIMIT_FLAGS, readLimitFlags } from "../limit-flags.ts";

export const tokenEdit = command({
  description:
    "What is not given stays as it is. It counts at once, for requests that come from now on; the key itself stays the same.",
  args: { key: { summary: "Id or name of the key", required: true, pick: pickKey } },
  flags: LIMIT_FLAGS,
  json: true,
  examples: [
    "flock token edit alice --quota 500000",
    "flock token edit ci --quota 0 --models '*' --expires never",
    "flock token edit nightly --priority batch --local-only",
    "flock token edit nightly --no-local-only",
  ],
  async run(context, out) {
    const now = context.clock.now();
    const changes = readLimitFlags(context.flags, now);
    if (!changes.ok) return changes;
    if (Object.keys(changes.value).length === 0) {
      return err(usageFailure("Nothing to change was given", `flock token edit ${context.args.key} --quota 500000`));
    }
    const server = await context.admin();
    if (!server.ok) return server;
    const api = tokensApi(server.value);
    const listed = await api.list();
    if (!listed.ok) return listed;
    const found = await findKey(context.args.key, listed.value.tokens, "flock token edit", context);
    if (!found.ok) return found;
    const edited = await api.edit(found.value.id, changes.value);
    if (!edited.ok) return edited;
    const { key } = edited.value;
    out.document(edited.value, () => {
      out.line(`✔ Key ${key.id} (${key.name}): ${keyLimits(key)}`, "good");
      if (key.expires_at !== null) out.line(`It ends ${relative(key.expires_at, now)}`);
    });
    return ok(undefined);
  },
});
