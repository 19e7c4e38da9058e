import { Hono } from "hono";
import { newId } from "../core/id.ts";
import { toErrorResponse, type Surface } from "../dialect/failure-shape.ts";
import type { GatewayDeps } from "../gateway/ports.ts";
import { serveChat } from "../gateway/serve-chat.ts";
import { serveCountTokens } from "../gateway/serve-count-tokens.ts";
import { serveEmbeddings } from "../gateway/serve-embeddings.ts";
import { Ticker } from "../gateway/ticker.ts";
import { chatCompletions } from "./routes/chat-completions.ts";
import { mountHealth, type HealthDeps } from "./routes/health.ts";
import { messages } from "./routes/messages.ts";
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

  if (deps.keyless) app.use(keylessGuard);
  const post = (path: string, serve: (request: Request) => Promise<Response>): void => {
    for (const typed of asTyped(path)) app.post(typed, (context) => serve(context.req.raw));
  };
  post("/chat/completions", (request) => serveChat(gateway, ticker, chatCompletions, request));
  post("/messages", (request) => serveChat(gateway, ticker, messages, request));
  post("/messages/count_tokens", (request) => serveCountTokens(gateway, messages.dialect, request));
  post("/embeddings", (request) => serveEmbeddings(gateway, ticker, request));
  mountModels(app, deps.models, asTyped("/models"));
  mountHealth(app, deps.health);

  const toAdmin = async (request: Request): Promise<Response> => (await deps.admin()).fetch(request);
  for (const path of ["/admin/*", "/openapi.json", "/ui", "/ui/*"])
    app.all(path, (context) => toAdmin(context.req.raw));

  // A person's browser goes to the dashboard; a client that probes the base URL gets its 200.
  app.get("/", (context) => {
    if (context.req.header("accept")?.includes("text/html")) return context.redirect("/ui/");
    return context.text("Flock is running\n", 200, { "x-request-id": newId("req", 20) });
  });

  app.notFound((context) => unknownPath(context.req.method, context.req.path));
  app.onError((error, context) => {
    const id = newId("req", 20);
    gateway.log.error("internal error", { request: id, path: context.req.path, cause: error });
    const shape = toErrorResponse(surfaceOfPath(context.req.path), { kind: "internal", id }, id);
    return new Response(shape.body, { status: shape.status, headers: shape.headers });
  });
  return app;
}

/**
 * A client's base URL is typed with `/v1` where its own code adds another, or without where it adds none: each way works.
 */
function asTyped(path: string): readonly string[] {
  return [`/v1${path}`, `/v1/v1${path}`, path];
}

function surfaceOfPath(path: string): Surface {
  return /^(\/v1)*\/messages/.test(path) ? "anthropic" : "openai";
}

function unknownPath(method: string, path: string): Response {
  const requestId = newId("req", 20);
  const surface = surfaceOfPath(path);
  const message = `${method} ${path.slice(0, 200)} is not an endpoint of Flock. GET /openapi.json lists the admin API; the client APIs are under /v1/.`;
  const error =
    surface === "anthropic"
      ? { type: "error", error: { type: "not_found_error", message }, request_id: requestId }
      : { error: { message, type: "invalid_request_error", param: null, code: "unknown_url" } };
  return Response.json(error, { status: 404, headers: { "x-request-id": requestId, "request-id": requestId } });
}
