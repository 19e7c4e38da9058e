import { ok } from "../../core/result.ts";
import { aliasesApi } from "../api/aliases.ts";
import { command } from "../command.ts";
import { pickModel } from "../pick-model.ts";

export const aliasSet = command({
  description:
    "Clients may then ask for the name. It may stand for a model, for another alias or for auto, and it may be one of Claude's names. It counts at once; a key's own alias hides everybody's of the same name.",
  args: {
    name: { summary: "The name that clients use", required: true },
    model: { summary: "What it stands for", required: true, pick: pickModel },
  },
  flags: { key: { type: "text", summary: "For this key only: its id or name", placeholder: "key" } },
  json: true,
  examples: [
    "flock alias set fast qwen3-8b",
    "flock alias set claude-haiku-4-5 llama-3.2-3b",
    "flock alias set fast llama-3.2-1b --key ci",
  ],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const { name, model } = context.args;
    const done = await aliasesApi(server.value).set({ name, model, key: context.flags.key ?? null });
    if (!done.ok) return done;
    const { alias } = done.value;
    out.document(done.value, () => {
      const whose = alias.key_id === null ? "" : ` for key ${alias.key_name ?? alias.key_id}`;
      out.line(`✔ ${alias.name} stands for ${alias.model}${whose}`, "good");
    });
    return ok(undefined);
  },
});
