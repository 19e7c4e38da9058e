import { hc, type InferResponseType } from "hono/client";
import type { CatalogApi } from "../../http/admin/routes/catalog.ts";
import type { AdminServer } from "../admin-client.ts";

type Client = ReturnType<typeof hc<CatalogApi>>;
export type Catalog = InferResponseType<Client["admin"]["v1"]["catalog"]["$get"], 200>;
export type CatalogModel = Catalog["models"][number];

export function catalogApi(server: AdminServer) {
  const { catalog } = hc<CatalogApi>(server.url, { fetch: server.fetch }).admin.v1;
  return { list: () => server.read(() => catalog.$get()) };
}
