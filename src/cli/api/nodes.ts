import { hc, type InferResponseType } from "hono/client";
import type { NodesApi } from "../../http/admin/routes/nodes.ts";
import type { AdminServer } from "../admin-client.ts";

type Client = ReturnType<typeof hc<NodesApi>>;
export type Node = InferResponseType<Client["admin"]["v1"]["nodes"]["$get"], 200>["nodes"][number];
export type NodeDetail = InferResponseType<Client["admin"]["v1"]["nodes"][":id"]["$get"], 200>;

export function nodesApi(server: AdminServer) {
  const { nodes } = hc<NodesApi>(server.url, { fetch: server.fetch }).admin.v1;
  const one = nodes[":id"];
  return {
    invite: () => server.read(() => nodes["join-tokens"].$post()),
    list: () => server.read(() => nodes.$get()),
    show: (id: string) => server.read(() => one.$get({ param: { id } })),
    drain: (id: string) => server.read(() => one.drain.$post({ param: { id } })),
    undrain: (id: string) => server.read(() => one.undrain.$post({ param: { id } })),
    remove: (id: string) => server.read(() => one.$delete({ param: { id } })),
  };
}
