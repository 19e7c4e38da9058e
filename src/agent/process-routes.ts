import { processLogsQuery, processStart, processStop } from "../cluster/process-protocol.ts";
import type { NodeProcesses, ProcessRefusal } from "./node-processes.ts";

/** The specification's calls for processes of a node. Null: the call is another one. */
export async function processRoute(request: Request, processes: NodeProcesses): Promise<Response | null> {
  const url = new URL(request.url);
  switch (`${request.method} ${url.pathname}`) {
    case "GET /v1/process":
      return Response.json({ processes: processes.list() });
    case "POST /v1/process/start": {
      const body = processStart.safeParse(await request.json().catch(() => null));
      if (!body.success) return invalid(body.error.issues[0]);
      const started = await processes.start(body.data, request.signal);
      return started.ok ? Response.json(started.value) : refuse(started.error);
    }
    case "POST /v1/process/stop": {
      const body = processStop.safeParse(await request.json().catch(() => null));
      if (!body.success) return invalid(body.error.issues[0]);
      const stopped = await processes.stop(body.data.id);
      return stopped.ok ? Response.json({}) : refuse(stopped.error);
    }
    case "GET /v1/process/logs": {
      const query = processLogsQuery.safeParse(Object.fromEntries(url.searchParams));
      if (!query.success) return invalid(query.error.issues[0]);
      return Response.json({ lines: processes.logs(query.data.id, query.data.lines) });
    }
    default:
      return null;
  }
}

function invalid(issue: { readonly path: readonly PropertyKey[]; readonly message: string } | undefined): Response {
  const where = issue?.path.map(String).join(".") ?? "";
  const message = `${where === "" ? "" : `${where}: `}${issue?.message ?? "not understood"}`;
  return Response.json({ error: { message } }, { status: 400 });
}

function refuse({ status, message, mend }: ProcessRefusal): Response {
  return Response.json({ error: { message, mend } }, { status });
}
