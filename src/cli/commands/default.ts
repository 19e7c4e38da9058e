import { err, ok } from "../../core/result.ts";
import { type DefaultModel, defaultModelApi } from "../api/default-model.ts";
import { usageFailure } from "../cli-failure.ts";
import { command } from "../command.ts";
import type { Out } from "../output.ts";
import { pickModel } from "../pick-model.ts";

export const defaultModel = command({
  description:
    "The model that auto gets, and every Claude name without an alias. It is kept in Flock's database: stronger than config.yaml, weaker than FLOCK_DEFAULT_MODEL and --router-default-model.",
  args: { model: { summary: "The model", required: false } },
  flags: { clear: { type: "boolean", summary: "Take the choice back: config.yaml's counts again, or Flock's own" } },
  json: true,
  examples: ["flock default", "flock default qwen3-8b", "flock default --clear"],
  async run(context, out) {
    const { model } = context.args;
    if (context.flags.clear && model !== undefined) {
      return err(usageFailure("--clear takes no model", "flock default --clear"));
    }
    const server = await context.admin();
    if (!server.ok) return server;
    const api = defaultModelApi(server.value);
    if (context.flags.clear) {
      const cleared = await api.clear();
      if (!cleared.ok) return cleared;
      out.document(cleared.value, () => out.line(`✔ The default model is ${described(cleared.value)}`, "good"));
      return ok(undefined);
    }
    let chosen = model;
    if (chosen === undefined) {
      const shown = await api.show();
      if (!shown.ok) return shown;
      if (!context.interactive) {
        out.document(shown.value, () => out.line(described(shown.value)));
        return ok(undefined);
      }
      const choices = await pickModel(context);
      if (!choices.ok) return choices;
      const question = `The default model is ${described(shown.value)}. Which one shall it be?`;
      const picked = await context.choose(question, choices.value, usageFailure("No model is loaded", "flock status"));
      if (!picked.ok) return picked;
      chosen = picked.value;
    }
    const done = await api.set(chosen);
    if (!done.ok) return done;
    out.document(done.value, () => tell(done.value, out));
    return ok(undefined);
  },
});

function tell(now: DefaultModel, out: Out): void {
  out.line(`✔ The default model is ${now.wanted}`, "good");
  if (now.model === now.wanted.toLowerCase()) return;
  out.note(`It is not loaded: until it is, auto gets ${now.model ?? "nothing"}. Look: flock model ls`, "warn");
}

function described({ model, wanted, origin, detail }: DefaultModel): string {
  const by = origin === "default" ? "picked by Flock" : `set by ${detail === "" ? "flock default" : detail}`;
  if (wanted === "" || wanted.toLowerCase() === model) return `${model ?? "none"} (${by})`;
  return `${wanted} (${by}), which is not loaded: until it is, auto gets ${model ?? "nothing"}`;
}
