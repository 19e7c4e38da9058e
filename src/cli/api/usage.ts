import { hc } from "hono/client";
import type { UsageApi } from "../../http/admin/routes/usage.ts";
import type { AdminServer } from "../admin-client.ts";

export function usageApi(server: AdminServer) {
  const { usage } = hc<UsageApi>(server.url, { fetch: server.fetch }).admin.v1;
  return {
    recent: (query: { limit?: string; user?: string }) => server.read(() => usage.recent.$get({ query })),
    rebuild: () => server.read(() => usage.rebuild.$post()),
  };
}
