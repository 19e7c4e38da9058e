import { ok } from "../../core/result.ts";
import { modelsApi } from "../api/models.ts";
import { command } from "../command.ts";
import { count } from "../format.ts";
import { toneOf } from "../state-tone.ts";

export const modelLs = command({
  description: "One line for each copy: a model that two nodes have stands here twice.",
  json: true,
  examples: ["flock model ls", "flock model ls --json"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const listed = await modelsApi(server.value).list();
    if (!listed.ok) return listed;
    const { models } = listed.value;
    out.document(listed.value, () => {
      if (models.length === 0) return out.line("No model is loaded; `flock status` says what the engines do");
      out.table(models, [
        { title: "MODEL", cell: (model) => model.id, shrink: true },
        { title: "STATE", cell: (model) => model.state, tone: (model) => toneOf(model.state) },
        { title: "ENGINE", cell: (model) => model.engine },
        { title: "NODE", cell: (model) => model.node_name, shrink: true },
        { title: "CONTEXT", cell: (model) => count(model.context_tokens), right: true },
        { title: "SLOTS", cell: (model) => String(model.slots), right: true },
        { title: "NOTE", cell: (model) => noteOf(model.default, model.smoke_test) },
      ]);
    });
    return ok(undefined);
  },
});

function noteOf(isDefault: boolean, smokeTest: boolean): string {
  return [isDefault ? "default" : "", smokeTest ? "smoke test" : ""].filter((note) => note !== "").join(", ");
}
