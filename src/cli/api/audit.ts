import { hc, type InferResponseType } from "hono/client";
import type { AuditApi } from "../../http/admin/routes/audit.ts";
import type { AdminServer } from "../admin-client.ts";

type Client = ReturnType<typeof hc<AuditApi>>;
export type AuditRow = InferResponseType<Client["admin"]["v1"]["audit"]["recent"]["$get"], 200>["entries"][number];

export function auditApi(server: AdminServer) {
  const { audit } = hc<AuditApi>(server.url, { fetch: server.fetch }).admin.v1;
  return { recent: (query: { limit?: string; actor?: string }) => server.read(() => audit.recent.$get({ query })) };
}
