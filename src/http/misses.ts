import { newRequestId } from "../core/id.ts";
import type { Surface } from "../dialect/failure-shape.ts";

/** Which API a path belongs to; paths of two APIs belong to the one whose client sends its own header. */
export function surfaceOf(path: string, headers: Headers): Surface {
  if (path.startsWith("/api/")) return "ollama";
  return /^(\/v1)*\/messages/.test(path) || headers.has("anthropic-version") ? "anthropic" : "openai";
}

/** 404 for what is no endpoint here, in the shape of the API whose path it looks like. */
export function unknownPath(request: Request, path: string): Response {
  const message = `${request.method} ${path.slice(0, 200)} is not an endpoint of Flock. GET /openapi.json lists the admin API; the client APIs are under /v1/ and /api/.`;
  return miss(request, path, 404, ["not_found_error", "unknown_url"], message);
}

/** 405 for an endpoint that is asked in the wrong way. */
export function wrongMethod(request: Request, path: string, allow: string): Response {
  const message = `${path.slice(0, 200)} is asked by ${allow}, not by ${request.method}.`;
  const response = miss(request, path, 405, ["invalid_request_error", "method_not_allowed"], message);
  response.headers.set("allow", allow);
  return response;
}

/**
 * Codex tries a WebSocket before HTTP: 426 sends it there at once, a 404 costs it seven attempts. Anything else that is
 * not a POST is the wrong method.
 */
export function noWebSocket(request: Request, path: string): Response {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return wrongMethod(request, path, "POST");
  const message = "The Responses API is served over HTTP here, not over WebSocket.";
  const response = miss(request, path, 426, ["invalid_request_error", "upgrade_required"], message);
  response.headers.set("upgrade", "HTTP/1.1");
  return response;
}

function miss(
  request: Request,
  path: string,
  status: number,
  [type, code]: readonly [anthropic: string, openai: string],
  message: string,
): Response {
  const id = newRequestId();
  const headers = { "x-request-id": id, "request-id": id };
  switch (surfaceOf(path, request.headers)) {
    case "ollama":
      return Response.json({ error: message }, { status, headers });
    case "anthropic":
      return Response.json({ type: "error", error: { type, message }, request_id: id }, { status, headers });
    case "openai": {
      const error = { message, type: "invalid_request_error", param: null, code };
      return Response.json({ error }, { status, headers });
    }
  }
}
