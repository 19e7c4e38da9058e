import { hc, type InferRequestType, type InferResponseType } from "hono/client";
import type { AliasesApi } from "../../http/admin/routes/aliases.ts";
import type { AdminServer } from "../admin-client.ts";

type Client = ReturnType<typeof hc<AliasesApi>>;
export type Alias = InferResponseType<Client["admin"]["v1"]["aliases"]["$get"], 200>["aliases"][number];
export type NewAlias = InferRequestType<Client["admin"]["v1"]["aliases"]["$post"]>["json"];

export function aliasesApi(server: AdminServer) {
  const { aliases } = hc<AliasesApi>(server.url, { fetch: server.fetch }).admin.v1;
  return {
    list: () => server.read(() => aliases.$get()),
    set: (json: NewAlias) => server.read(() => aliases.$post({ json })),
    remove: (query: { name: string; key?: string }) => server.read(() => aliases.$delete({ query })),
  };
}
