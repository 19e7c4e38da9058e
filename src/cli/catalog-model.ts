import { ok, type Result } from "../core/result.ts";
import { type Catalog, type CatalogModel, catalogApi } from "./api/catalog.ts";
import type { CliFailure } from "./cli-failure.ts";
import type { BaseContext, Choice } from "./command.ts";
import type { Out } from "./output.ts";

export async function fetchCatalog(context: BaseContext): Promise<Result<Catalog, CliFailure>> {
  const server = await context.admin();
  if (!server.ok) return server;
  return await catalogApi(server.value).list();
}

/** Entries that are not used are said beside every list that they are missing from. */
export function noteProblems(catalog: Catalog, out: Out): void {
  for (const { file, line, message } of catalog.problems) {
    out.note(`! ${file}${line === null ? "" : `:${line}`}: ${message}`, "warn");
  }
}

/** By id or alias. */
export function findModel(models: readonly CatalogModel[], name: string): CatalogModel | undefined {
  return models.find(({ id }) => id === name) ?? models.find(({ aliases }) => aliases?.includes(name));
}

/** All of the catalogue, to choose from. */
export async function pickCatalogModel(context: BaseContext): Promise<Result<readonly Choice[], CliFailure>> {
  const catalog = await fetchCatalog(context);
  if (!catalog.ok) return catalog;
  return ok(
    catalog.value.models.map((model) => ({ value: model.id, label: model.id, hint: `${model.name}, ${needs(model)}` })),
  );
}

/** `8.3B (1.5B active)`. */
export function parameters({ parameters: { total_b: total, active_b: active } }: CatalogModel): string {
  return total === active ? `${total}B` : `${total}B (${active}B active)`;
}

/** The memory that a machine should have. */
export function needs({ hardware, sharding }: CatalogModel): string {
  const total = sharding.min_total_ram_gb;
  if (sharding.required && total !== undefined) return `${total} GB in all`;
  return hardware?.min_ram_gb === undefined ? "" : `${hardware.min_ram_gb} GB`;
}

/** Tokens, the way that a context is spoken of: `128k`, `1M`. */
export function contextSize(tokens: number | undefined): string {
  if (tokens === undefined) return "";
  if (tokens >= 1_000_000) return `${Math.round(tokens / 100_000) / 10}M`;
  return `${Math.round(tokens / (tokens % 1024 === 0 ? 1024 : 1000))}k`;
}
