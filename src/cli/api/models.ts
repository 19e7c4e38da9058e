import { hc, type InferRequestType } from "hono/client";
import type { ModelsApi } from "../../http/admin/routes/models.ts";
import type { AdminServer } from "../admin-client.ts";

type Client = ReturnType<typeof hc<ModelsApi>>;
type Move = InferRequestType<Client["admin"]["v1"]["models"][":id"]["move"]["$post"]>["json"];

export function modelsApi(server: AdminServer) {
  const { models } = hc<ModelsApi>(server.url, { fetch: server.fetch }).admin.v1;
  return {
    list: () => server.read(() => models.$get()),
    move: (id: string, json: Move) => server.read(() => models[":id"].move.$post({ param: { id }, json })),
  };
}
