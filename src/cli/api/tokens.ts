import { hc, type InferRequestType, type InferResponseType } from "hono/client";
import type { TokensApi } from "../../http/admin/routes/tokens.ts";
import type { AdminServer } from "../admin-client.ts";

type Client = ReturnType<typeof hc<TokensApi>>;
export type Key = InferResponseType<Client["admin"]["v1"]["tokens"]["$get"], 200>["tokens"][number];
export type KeyChanges = InferRequestType<Client["admin"]["v1"]["tokens"][":id"]["$patch"]>["json"];
export type NewKey = InferRequestType<Client["admin"]["v1"]["tokens"]["$post"]>["json"];

export function tokensApi(server: AdminServer) {
  const { tokens } = hc<TokensApi>(server.url, { fetch: server.fetch }).admin.v1;
  return {
    list: () => server.read(() => tokens.$get()),
    create: (json: NewKey) => server.read(() => tokens.$post({ json })),
    edit: (id: string, json: KeyChanges) => server.read(() => tokens[":id"].$patch({ param: { id }, json })),
    revoke: (id: string) => server.read(() => tokens[":id"].$delete({ param: { id } })),
  };
}
