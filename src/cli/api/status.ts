import { hc, type InferResponseType } from "hono/client";
import type { StatusApi } from "../../http/admin/routes/status.ts";
import type { AdminServer } from "../admin-client.ts";

type Client = ReturnType<typeof hc<StatusApi>>;
export type Status = InferResponseType<Client["admin"]["v1"]["status"]["$get"], 200>;

export function statusApi(server: AdminServer) {
  const { status } = hc<StatusApi>(server.url, { fetch: server.fetch }).admin.v1;
  return { show: () => server.read(() => status.$get()) };
}
