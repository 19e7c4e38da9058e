import type { CatalogModel } from "./api/catalog.ts";

export type CatalogOrder = "id" | "released" | "size";

export interface CatalogQuery {
  readonly words: string;
  readonly order: CatalogOrder;
  /** The first day that counts. */
  readonly since: string | undefined;
}

/** What people call an ability, where the catalogue has another word. */
const SAME: Readonly<Record<string, string>> = {
  coding: "code",
  coder: "code",
  thinking: "reasoning",
  image: "vision",
  images: "vision",
  embeddings: "embedding",
};

/** The models that every word fits, in the order asked for; newest and largest first. Pure. */
export function searchCatalog(models: readonly CatalogModel[], query: CatalogQuery): CatalogModel[] {
  const words = query.words.toLowerCase().split(/\s+/).filter(Boolean);
  const { since = "" } = query;
  return models
    .filter((model) => model.released >= since && words.every((word) => fits(model, word)))
    .toSorted((a, b) => compare(a, b, query.order) || (a.id < b.id ? -1 : 1));
}

function fits(model: CatalogModel, word: string): boolean {
  const { id, aliases = [], name, family, vendor, license, capabilities } = model;
  const text = [id, ...aliases, name, family, vendor, license, ...capabilities].join("\n").toLowerCase();
  return text.includes(word) || capabilities.some((ability) => ability === SAME[word]);
}

function compare(a: CatalogModel, b: CatalogModel, order: CatalogOrder): number {
  if (order === "released") return b.released.localeCompare(a.released);
  return order === "size" ? b.parameters.total_b - a.parameters.total_b : 0;
}
