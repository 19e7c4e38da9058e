import { Hono } from "hono";
import { newRequestId } from "../core/id.ts";
import { toErrorResponse, type Surface } from "../dialect/failure-shape.ts";
import { enterEarly } from "../gateway/enter.ts";
import type { GatewayDeps } from "../gateway/ports.ts";
import type { ResponseStore } from "../gateway/response-store.ts";
import { serveChat } from "../gateway/serve-chat.ts";
import { serveCompletions } from "../gateway/serve-completions.ts";
import { serveCountTokens } from "../gateway/serve-count-tokens.ts";
import { serveEmbeddings } from "../gateway/serve-embeddings.ts";
import { Ticker } from "../gateway/ticker.ts";
import { chatCompletions } from "./routes/chat-completions.ts";
import { completions, ollamaInsertSurface } from "./routes/completions.ts";
import { mountHealth, type HealthDeps } from "./routes/health.ts";
import { messages } from "./routes/messages.ts";
import { ollamaChatSurface, ollamaGenerateSurface } from "./routes/ollama-chat.ts";
import { mountOllamaListing } from "./routes/ollama-listing.ts";
import { responses } from "./routes/responses.ts";
import { mountModels, type ModelRoutesDeps } from "./routes/models.ts";
import { keylessGuard } from "./middleware/keyless-guard.ts";
import type { ServerEnv } from "./server-env.ts";

/** Anything that answers requests: the admin app and the dashboard, loaded when first asked for. */
export interface SubApp {
  fetch(request: Request): Response | Promise<Response>;
}

export interface AppDeps {
  readonly gateway: GatewayDeps;
  readonly models: ModelRoutesDeps;
  readonly health: HealthDeps;
  /** Conversations that clients of the Responses API continue by id. */
  readonly responses: ResponseStore;
  /** The admin API and the dashboard are not imported until they are used. */
  readonly admin: () => Promise<SubApp>;
  /** Keys are switched off: only browsers' pages of this machine itself may call. */
  readonly keyless: boolean;
}

/** Everything Flock serves to clients on its one port. */
export function createApp(deps: AppDeps): Hono<ServerEnv> {
  const app = new Hono<ServerEnv>();
  const ticker = new Ticker();
  const { gateway } = deps;
  const responsesSurface = responses(deps.responses);

  if (deps.keyless) app.use(keylessGuard);
  const post = (path: string, serve: (request: Request) => Promise<Response>): void => {
    for (const typed of asTyped(path)) app.post(typed, (context) => serve(context.req.raw));
  };
  post("/chat/completions", (request) => serveChat(gateway, ticker, chatCompletions, request));
  post("/messages", (request) => serveChat(gateway, ticker, messages, request));
  post("/messages/count_tokens", (request) => serveCountTokens(gateway, messages.dialect, request));
  post("/responses", (request) => serveChat(gateway, ticker, responsesSurface, request));
  // Codex tries a WebSocket first: 426 sends it to HTTP at once, a 404 costs it seven attempts.
  for (const typed of asTyped("/responses")) app.get(typed, (context) => upgradeRefused(context.req.raw));
  app.post("/api/chat", (context) => serveChat(gateway, ticker, ollamaChatSurface, context.req.raw));
  app.post("/api/generate", (context) => serveGenerate(gateway, ticker, context.req.raw));
  mountOllamaListing(app, deps.models);
  post("/completions", (request) => serveCompletions(gateway, ticker, completions, request));
  post("/embeddings", (request) => serveEmbeddings(gateway, ticker, request));
  mountModels(app, deps.models, asTyped("/models"));
  mountHealth(app, deps.health);

  const toAdmin = async (request: Request): Promise<Response> => (await deps.admin()).fetch(request);
  for (const path of ["/admin/*", "/openapi.json", "/ui", "/ui/*"])
    app.all(path, (context) => toAdmin(context.req.raw));

  // A person's browser goes to the dashboard; a client that probes the base URL gets its 200.
  app.get("/", (context) => {
    if (context.req.header("accept")?.includes("text/html")) return context.redirect("/ui/");
    return context.text("Flock is running\n", 200, { "x-request-id": newRequestId() });
  });

  app.notFound((context) => unknownPath(context.req.method, context.req.path));
  app.onError((error, context) => {
    const id = newRequestId();
    gateway.log.error("internal error", { request: id, path: context.req.path, cause: error });
    const shape = toErrorResponse(surfaceOfPath(context.req.path), { kind: "internal", id }, id);
    return new Response(shape.body, { status: shape.status, headers: shape.headers });
  });
  return app;
}

/** What a body of `/api/generate` asks decides who serves it: a chat of one turn, or a text to go on with. */
async function serveGenerate(gateway: GatewayDeps, ticker: Ticker, raw: Request): Promise<Response> {
  const request = await enterEarly(gateway, raw);
  const body = request.body.ok ? request.body.value : null;
  const completes = body?.boolean("raw") === true || (body?.string("suffix") ?? "") !== "";
  return completes
    ? serveCompletions(gateway, ticker, ollamaInsertSurface, request)
    : serveChat(gateway, ticker, ollamaGenerateSurface, request);
}

/**
 * A client's base URL is typed with `/v1` where its own code adds another, or without where it adds none: each way works.
 */
function asTyped(path: string): readonly string[] {
  return [`/v1${path}`, `/v1/v1${path}`, path];
}

function upgradeRefused(request: Request): Response {
  const requestId = newRequestId();
  const upgrade = request.headers.get("upgrade")?.toLowerCase() === "websocket";
  const message = upgrade
    ? "The Responses API is served over HTTP here, not over WebSocket."
    : "Use POST /v1/responses.";
  const error = { message, type: "invalid_request_error", param: null, code: upgrade ? "upgrade_required" : null };
  const headers = { "x-request-id": requestId, ...(upgrade ? { upgrade: "HTTP/1.1" } : { allow: "POST" }) };
  return Response.json({ error }, { status: upgrade ? 426 : 405, headers });
}

function surfaceOfPath(path: string): Surface {
  if (path.startsWith("/api/")) return "ollama";
  return /^(\/v1)*\/messages/.test(path) ? "anthropic" : "openai";
}

function unknownPath(method: string, path: string): Response {
  const requestId = newRequestId();
  const surface = surfaceOfPath(path);
  const message = `${method} ${path.slice(0, 200)} is not an endpoint of Flock. GET /openapi.json lists the admin API; the client APIs are under /v1/.`;
  const error =
    surface === "anthropic"
      ? { type: "error", error: { type: "not_found_error", message }, request_id: requestId }
      : { error: { message, type: "invalid_request_error", param: null, code: "unknown_url" } };
  return Response.json(error, { status: 404, headers: { "x-request-id": requestId, "request-id": requestId } });
}
