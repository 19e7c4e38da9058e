import { hc, type InferResponseType } from "hono/client";
import type { JobsApi } from "../../http/admin/routes/jobs.ts";
import type { AdminServer } from "../admin-client.ts";

type Client = ReturnType<typeof hc<JobsApi>>;
export type Job = InferResponseType<Client["admin"]["v1"]["jobs"]["$get"], 200>["jobs"][number];

export function jobsApi(server: AdminServer) {
  const { jobs } = hc<JobsApi>(server.url, { fetch: server.fetch }).admin.v1;
  return {
    list: (query: { limit?: string }) => server.read(() => jobs.$get({ query })),
    show: (id: string) => server.read(() => jobs[":id"].$get({ param: { id } })),
    /** The job's event stream, from after event `lastEventId`. */
    events: (id: string, lastEventId: string | null) =>
      server.stream(`/admin/v1/jobs/${encodeURIComponent(id)}/events`, {
        accept: "text/event-stream",
        ...(lastEventId === null ? {} : { "last-event-id": lastEventId }),
      }),
  };
}
