import { hc, type InferResponseType } from "hono/client";
import type { DefaultModelApi } from "../../http/admin/routes/default-model.ts";
import type { AdminServer } from "../admin-client.ts";

type Client = ReturnType<typeof hc<DefaultModelApi>>;
export type DefaultModel = InferResponseType<Client["admin"]["v1"]["default-model"]["$get"], 200>;

export function defaultModelApi(server: AdminServer) {
  const { "default-model": route } = hc<DefaultModelApi>(server.url, { fetch: server.fetch }).admin.v1;
  return {
    show: () => server.read(() => route.$get()),
    set: (model: string) => server.read(() => route.$put({ json: { model } })),
    clear: () => server.read(() => route.$delete()),
  };
}
