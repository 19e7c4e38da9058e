import { hc, type InferRequestType } from "hono/client";
import type { EngineVersionsApi } from "../../http/admin/routes/engine-versions.ts";
import type { AdminServer } from "../admin-client.ts";

type Routes = ReturnType<typeof hc<EngineVersionsApi>>["admin"]["v1"]["engine-versions"];
export type EngineInstall = InferRequestType<Routes["$post"]>["json"];

export function engineVersionsApi(server: AdminServer) {
  const routes = hc<EngineVersionsApi>(server.url, { fetch: server.fetch }).admin.v1["engine-versions"];
  return {
    list: () => server.read(() => routes.$get()),
    install: (json: EngineInstall) => server.read(() => routes.$post({ json })),
    use: (json: InferRequestType<Routes["use"]["$post"]>["json"]) => server.read(() => routes.use.$post({ json })),
  };
}
