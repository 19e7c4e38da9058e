export interface NotYet {
  readonly method: "get" | "post" | "delete";
  readonly path: string;
  /** What is missing, in words for a person; it stands in the error. */
  readonly capability: string;
  readonly summary: string;
}

/**
 * What the admin API will serve and does not yet: each row answers 501 and names its capability. Serving one means
 * adding its route and deleting its row. A row that only node or admin keys may call stands in `guard.ts`.
 */
export const NOT_YET: readonly NotYet[] = [
  { method: "post", path: "/admin/v1/models", capability: "model installation", summary: "Install a model" },
  { method: "delete", path: "/admin/v1/models/{id}", capability: "model installation", summary: "Remove a model" },
  { method: "get", path: "/admin/v1/shards", capability: "sharded models", summary: "List the shards of all models" },
  {
    method: "post",
    path: "/admin/v1/shards/create",
    capability: "sharded models",
    summary: "Spread one model over several machines",
  },
  {
    method: "delete",
    path: "/admin/v1/shards/{model_id}",
    capability: "sharded models",
    summary: "Take a sharded model down",
  },
  {
    method: "get",
    path: "/admin/v1/usage/summary",
    capability: "usage summary",
    summary: "Top models, latency percentiles, error rate and requests per minute",
  },
  {
    method: "get",
    path: "/admin/v1/audit/summary",
    capability: "audit summary",
    summary: "Most active actors and most frequent actions",
  },
];
