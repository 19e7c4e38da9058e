import { hc, type InferRequestType } from "hono/client";
import type { RouteApi } from "../../http/admin/routes/route.ts";
import type { AdminServer } from "../admin-client.ts";

type Client = ReturnType<typeof hc<RouteApi>>;
export type RouteQuery = InferRequestType<Client["admin"]["v1"]["route"]["$get"]>["query"];

export function routeApi(server: AdminServer) {
  const { route } = hc<RouteApi>(server.url, { fetch: server.fetch }).admin.v1;
  return { explain: (query: RouteQuery) => server.read(() => route.$get({ query })) };
}
