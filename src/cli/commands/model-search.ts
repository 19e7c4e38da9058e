import { err, ok } from "../../core/result.ts";
import { contextSize, fetchCatalog, needs, noteProblems, parameters } from "../catalog-model.ts";
import { usageFailure } from "../cli-failure.ts";
import { command } from "../command.ts";
import { searchCatalog } from "../search-catalog.ts";

export const modelSearch = command({
  description: "Looks in ids, names, families, vendors, licences and abilities; every word must fit.",
  args: { query: { summary: "Words to look for", required: false } },
  flags: {
    sort: {
      type: "choice",
      summary: "Order; released and size begin with the highest",
      choices: ["released", "size", "id"],
    },
    since: { type: "text", summary: "Only models released since then", placeholder: "YYYY-MM-DD" },
  },
  json: true,
  examples: ["flock model search coding", "flock model search --sort released --since 2026-01-01"],
  async run(context, out) {
    const { since, sort } = context.flags;
    if (since !== undefined && !isDay(since)) {
      return err(usageFailure(`--since ${since} is no date`, "flock model search --since 2026-01-31"));
    }
    const catalog = await fetchCatalog(context);
    if (!catalog.ok) return catalog;
    const words = context.args.query ?? "";
    const order = sort === "released" || sort === "size" ? sort : "id";
    const models = searchCatalog(catalog.value.models, { words, order, since });
    out.document({ ...catalog.value, models }, () => {
      if (models.length === 0) {
        out.line(`No model in the catalogue fits; \`flock model search\` lists all ${catalog.value.models.length}`);
      } else {
        out.table(models, [
          { title: "MODEL", cell: (model) => model.id },
          { title: "PARAMETERS", cell: (model) => parameters(model), shrink: true },
          { title: "MEMORY", cell: (model) => needs(model), right: true },
          { title: "CONTEXT", cell: (model) => contextSize(model.context_length), right: true },
          { title: "RELEASED", cell: (model) => model.released },
          { title: "CAN", cell: (model) => model.capabilities.join(" "), shrink: true },
          { title: "LICENCE", cell: (model) => model.license, shrink: true },
        ]);
      }
      noteProblems(catalog.value, out);
    });
    return ok(undefined);
  },
});

function isDay(text: string): boolean {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text);
}
