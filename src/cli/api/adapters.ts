import { hc, type InferRequestType } from "hono/client";
import type { AdaptersApi } from "../../http/admin/routes/adapters.ts";
import type { AdminServer } from "../admin-client.ts";

type Routes = ReturnType<typeof hc<AdaptersApi>>["admin"]["v1"]["adapters"];
export type NewAdapter = InferRequestType<Routes["$post"]>["json"];

export function adaptersApi(server: AdminServer) {
  const { adapters } = hc<AdaptersApi>(server.url, { fetch: server.fetch }).admin.v1;
  return {
    list: () => server.read(() => adapters.$get()),
    add: (json: NewAdapter) => server.read(() => adapters.$post({ json })),
    remove: (id: string) => server.read(() => adapters[":id"].$delete({ param: { id } })),
  };
}
