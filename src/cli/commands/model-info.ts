import { join } from "node:path";
import { err, ok } from "../../core/result.ts";
import { shellQuote } from "../../core/shell-quote.ts";
import type { CatalogModel } from "../api/catalog.ts";
import { fetchCatalog, findModel, needs, noteProblems, parameters, pickCatalogModel } from "../catalog-model.ts";
import { EXIT } from "../cli-failure.ts";
import { command } from "../command.ts";
import { didYouMean } from "../did-you-mean.ts";
import { count } from "../format.ts";
import type { Field } from "../output.ts";

export const modelInfo = command({
  description: "Figures with a ~ were computed or inferred, the others are from their sources.",
  args: {
    id: {
      summary: "The model: its id in the catalogue, or another name of it",
      required: true,
      pick: pickCatalogModel,
    },
  },
  json: true,
  examples: ["flock model info qwen3-coder", "flock model info gpt-oss-20b --json"],
  async run(context, out) {
    const catalog = await fetchCatalog(context);
    if (!catalog.ok) return catalog;
    const { models } = catalog.value;
    const name = context.args.id;
    const model = findModel(models, name);
    if (model === undefined) {
      const names = models.flatMap(({ id, aliases = [] }) => [id, ...aliases]);
      const message = `The catalogue has no model "${name}"${didYouMean(name, names)}`;
      noteProblems(catalog.value, out);
      return err({ exitCode: EXIT.notFound, message, code: "not_found", mend: "flock model search" });
    }
    out.document({ model }, () => {
      out.fields(describe(model));
      const download = downloadLine(model, context.dataDir);
      if (download !== null)
        for (const line of ["", `Get it: ${download}`, "Then: flock down; flock up"]) out.line(line);
      noteProblems(catalog.value, out);
    });
    return ok(undefined);
  },
});

function describe(model: CatalogModel): Field[] {
  const { sources, hardware, sharding, aliases = [] } = model;
  const inferred = new Set(model.estimated);
  const about = (path: string, text: string): string => (inferred.has(path) ? `~ ${text}` : text);
  const gb = (size: number | undefined): string | undefined => (size === undefined ? undefined : `${size} GB`);
  const rows: readonly (readonly [label: string, path: string, value: string | undefined])[] = [
    ["Model", "id", model.id],
    ["Also called", "aliases", aliases.join(", ")],
    ["Name", "name", model.name],
    ["Vendor", "vendor", model.vendor],
    ["Released", "released", model.released],
    ["Licence", "license", model.license],
    ["Parameters", "parameters.total_b", parameters(model)],
    ["Context", "context_length", model.context_length === undefined ? "" : `${count(model.context_length)} tokens`],
    ["Can", "capabilities", model.capabilities.join(", ")],
    ["Download", "sources.gguf.size_gb", gb(sources.gguf?.size_gb)],
    ["Memory", sharding.required ? "sharding.min_total_ram_gb" : "hardware.min_ram_gb", needs(model)],
    ["GPU memory", "hardware.min_vram_gb", gb(hardware?.min_vram_gb)],
    ["Machines", "sharding.nodes_of_128_gb", machines(sharding.nodes_of_128_gb)],
    ["Engines", "engines", model.engines.join(", ") || "none that Flock can use"],
    ["Falls back to", "fallback", model.fallback.join(", ")],
    ["Hugging Face", "sources.hf", sources.hf],
    ["GGUF", "sources.gguf.file", [sources.gguf?.repo, sources.gguf?.file].filter(Boolean).join("/")],
    ["Ollama", "sources.ollama", sources.ollama],
    ["MLX", "sources.mlx", sources.mlx],
    ["vLLM", "sources.vllm", sources.vllm],
  ];
  return rows.flatMap(([label, path, value = ""]): Field[] => (value === "" ? [] : [[label, about(path, value)]]));
}

/** Null: the embedded engine has no single file of it to load. */
function downloadLine({ id, sources: { gguf } }: CatalogModel, dataDir: string): string | null {
  if (gguf?.repo === undefined || gguf.file === undefined || /-\d{5}-of-\d{5}\.gguf$/.test(gguf.file)) return null;
  const target = shellQuote(join(dataDir, "models", `${id}.gguf`));
  return `curl -L --fail --create-dirs -o ${target} https://huggingface.co/${gguf.repo}/resolve/main/${gguf.file}`;
}

function machines(nodes: number | undefined): string | undefined {
  return nodes === undefined ? undefined : `${nodes} of 128 GB`;
}
