import { hc } from "hono/client";
import type { ConfigApi } from "../../http/admin/routes/config.ts";
import type { AdminServer } from "../admin-client.ts";

export function configApi(server: AdminServer) {
  const { config } = hc<ConfigApi>(server.url, { fetch: server.fetch }).admin.v1;
  return { show: () => server.read(() => config.$get()) };
}
