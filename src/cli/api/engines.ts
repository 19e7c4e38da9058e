import { hc, type InferResponseType } from "hono/client";
import type { EnginesApi } from "../../http/admin/routes/engines.ts";
import type { AdminServer } from "../admin-client.ts";

type Client = ReturnType<typeof hc<EnginesApi>>;
export type Engine = InferResponseType<Client["admin"]["v1"]["engines"]["$get"], 200>["engines"][number];

export interface EngineTarget {
  readonly node: string;
  readonly engine: string;
}

export function enginesApi(server: AdminServer) {
  const { engines } = hc<EnginesApi>(server.url, { fetch: server.fetch }).admin.v1;
  return {
    list: () => server.read(() => engines.$get()),
    logs: (param: EngineTarget, query: { lines?: string; after?: string }) =>
      server.read(() => engines[":node"][":engine"].logs.$get({ param, query })),
    act: (param: EngineTarget & { readonly action: "start" | "stop" | "restart" }) =>
      server.read(() => engines[":node"][":engine"][":action"].$post({ param })),
  };
}
