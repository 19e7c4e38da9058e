import { err, ok, type Result } from "../../core/result.ts";
import { type Alias, aliasesApi } from "../api/aliases.ts";
import { type CliFailure, EXIT } from "../cli-failure.ts";
import { type BaseContext, type Choice, command } from "../command.ts";
import { didYouMean } from "../did-you-mean.ts";

export const aliasRm = command({
  args: { name: { summary: "The alias", required: true, pick: pickAlias } },
  flags: { key: { type: "text", summary: "The one of this key: its id or name", placeholder: "key" } },
  json: true,
  examples: ["flock alias rm fast", "flock alias rm fast --key ci"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const api = aliasesApi(server.value);
    const listed = await api.list();
    if (!listed.ok) return listed;
    const { name } = context.args;
    const names = listed.value.aliases.map((alias) => alias.name);
    if (!names.includes(name)) {
      const message = `There is no alias "${name}"${didYouMean(name, names)}`;
      return err({ exitCode: EXIT.notFound, message, mend: "flock alias ls" });
    }
    const key = context.flags.key ?? onlyKey(listed.value.aliases, name);
    const removed = await api.remove({ name, ...(key === undefined ? {} : { key }) });
    if (!removed.ok) return removed;
    const { alias } = removed.value;
    out.document(removed.value, () => out.line(`✔ ${alias.name} stands for ${alias.model} no more`, "good"));
    return ok(undefined);
  },
});

/** Where only one key has an alias of this name, and nobody else, it is meant. */
function onlyKey(aliases: readonly Alias[], name: string): string | undefined {
  const named = aliases.filter((alias) => alias.name === name);
  return named.length === 1 ? (named[0]?.key_id ?? undefined) : undefined;
}

async function pickAlias(context: BaseContext): Promise<Result<readonly Choice[], CliFailure>> {
  const server = await context.admin();
  if (!server.ok) return server;
  const listed = await aliasesApi(server.value).list();
  if (!listed.ok) return listed;
  return ok(
    listed.value.aliases.map(({ name, model, key_name }) => ({
      value: name,
      label: name,
      hint: key_name === null ? model : `${model}, for ${key_name}`,
    })),
  );
}
