/**
 * What a worker says to clients that come to it: it lives, and the leader is where to ask. It serves nobody by itself:
 * keys, limits and records are the leader's, and whoever went around it would go around them all.
 */
export function workerClientPort(leaderUrl: () => string): (request: Request) => Response {
  return (request) => {
    const { pathname } = new URL(request.url);
    const head = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
    if (pathname === "/healthz") return Response.json({ status: "ok", role: "worker" }, { headers: head });
    const url = leaderUrl();
    const message = `This machine is a worker of a Flock cluster and serves no requests itself. Send them to the leader: ${url}${pathname}`;
    const error = { message, type: "invalid_request_error", code: "not_the_leader", leader: url };
    // 421: the request came to a server that cannot answer for it; a client may repeat it elsewhere.
    return Response.json({ type: "error", error }, { status: 421, headers: head });
  };
}
