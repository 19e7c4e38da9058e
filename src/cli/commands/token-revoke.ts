import { err, ok, type Result } from "../../core/result.ts";
import { type Key, tokensApi } from "../api/tokens.ts";
import { type CliFailure, EXIT } from "../cli-failure.ts";
import { type BaseContext, type Choice, command } from "../command.ts";
import { didYouMean } from "../did-you-mean.ts";
import { keyState } from "../key-limits.ts";

export const tokenRevoke = command({
  description: "The key stops working at once. This cannot be undone.",
  args: { key: { summary: "Id or name of the key", required: true, pick: pickKey } },
  flags: { yes: { type: "boolean", summary: "Do not ask" } },
  examples: ["flock token revoke key_0a1b2c3d4e5f6a7b", "flock token revoke alice --yes"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const api = tokensApi(server.value);
    const listed = await api.list();
    if (!listed.ok) return listed;
    const found = await find(context.args.key, listed.value.tokens, context);
    if (!found.ok) return found;
    const { id, name } = found.value;
    if (found.value.revoked_at !== null) {
      out.line(`✔ Key ${id} (${name}) was revoked already`, "good");
      return ok(undefined);
    }
    if (!context.flags.yes) {
      const sure = await context.confirm(`Revoke ${id} (${name})? Whoever uses it is locked out at once.`);
      if (!sure.ok) return sure;
    }
    const revoked = await api.revoke(id);
    if (!revoked.ok) return revoked;
    out.line(`✔ Revoked ${id} (${name})`, "good");
    return ok(undefined);
  },
});

/** By id, else by name; a name that several live keys bear is nobody's. */
async function find(target: string, keys: readonly Key[], context: BaseContext): Promise<Result<Key, CliFailure>> {
  const byId = keys.find((key) => key.id === target);
  if (byId) return ok(byId);
  const named = keys.filter((key) => key.name === target);
  const live = named.filter((key) => key.revoked_at === null);
  const [only, second] = live.length > 0 ? live : named;
  if (only && (!second || live.length === 0)) return ok(only);
  const candidates = second ? live : keys.filter((key) => key.revoked_at === null);
  const message = second
    ? `${live.length} keys are called "${target}"`
    : `There is no key "${target}"${didYouMean(
        target,
        candidates.flatMap((key) => [key.name, key.id]),
      )}`;
  const mend = second ? `flock token revoke ${only?.id ?? ""}` : "flock token ls";
  const otherwise: CliFailure = { exitCode: second ? EXIT.usage : EXIT.notFound, message, mend };
  const chosen = await context.choose(`${message}. Which one?`, toChoices(candidates), otherwise);
  if (!chosen.ok) return chosen;
  const key = keys.find((candidate) => candidate.id === chosen.value);
  return key ? ok(key) : err(otherwise);
}

async function pickKey(context: BaseContext): Promise<Result<readonly Choice[], CliFailure>> {
  const server = await context.admin();
  if (!server.ok) return server;
  const listed = await tokensApi(server.value).list();
  if (!listed.ok) return listed;
  return ok(toChoices(listed.value.tokens.filter((key) => keyState(key, context.clock.now()) === "active")));
}

function toChoices(keys: readonly Key[]): Choice[] {
  return keys.map((key) => ({ value: key.id, label: key.name || key.id, hint: `${key.prefix}… ${key.scope}` }));
}
