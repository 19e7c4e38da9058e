import { hc, type InferResponseType } from "hono/client";
import type { ModelsApi } from "../../http/admin/routes/models.ts";
import type { AdminServer } from "../admin-client.ts";

type Client = ReturnType<typeof hc<ModelsApi>>;
export type Model = InferResponseType<Client["admin"]["v1"]["models"]["$get"], 200>["models"][number];

export function modelsApi(server: AdminServer) {
  const { models } = hc<ModelsApi>(server.url, { fetch: server.fetch }).admin.v1;
  return { list: () => server.read(() => models.$get()) };
}
