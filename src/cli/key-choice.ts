import { err, ok, type Result } from "../core/result.ts";
import { type Key, tokensApi } from "./api/tokens.ts";
import { type CliFailure, EXIT } from "./cli-failure.ts";
import type { BaseContext, Choice } from "./command.ts";
import { didYouMean } from "./did-you-mean.ts";
import { keyState } from "./key-limits.ts";

/** By id, else by name; a name that several live keys bear is nobody's. `command` is named where it must be said again. */
export async function findKey(
  target: string,
  keys: readonly Key[],
  command: string,
  context: BaseContext,
): Promise<Result<Key, CliFailure>> {
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
  const mend = second ? `${command} ${only?.id ?? ""}` : "flock token ls";
  const otherwise: CliFailure = { exitCode: second ? EXIT.usage : EXIT.notFound, message, mend };
  const chosen = await context.choose(`${message}. Which one?`, toChoices(candidates), otherwise);
  if (!chosen.ok) return chosen;
  const key = keys.find((candidate) => candidate.id === chosen.value);
  return key ? ok(key) : err(otherwise);
}

/** The keys that work, for a person to choose from. */
export async function pickKey(context: BaseContext): Promise<Result<readonly Choice[], CliFailure>> {
  const server = await context.admin();
  if (!server.ok) return server;
  const listed = await tokensApi(server.value).list();
  if (!listed.ok) return listed;
  return ok(toChoices(listed.value.tokens.filter((key) => keyState(key, context.clock.now()) === "active")));
}

function toChoices(keys: readonly Key[]): Choice[] {
  return keys.map((key) => ({ value: key.id, label: key.name || key.id, hint: `${key.prefix}… ${key.scope}` }));
}
