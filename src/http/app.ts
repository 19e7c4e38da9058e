import { Hono } from "hono";
import { getPathNoStrict } from "hono/utils/url";
import type { BufferedHandler, BufferedRequest } from "../core/buffered-request.ts";
import type { Reply } from "../core/reply.ts";
import { newRequestId } from "../core/id.ts";
import type { Principal } from "../core/principal.ts";
import { toErrorResponse } from "../dialect/failure-shape.ts";
import type { GatewayDeps } from "../gateway/ports.ts";
import type { ResponseStore } from "../gateway/response-store.ts";
import type { ChatSurface } from "../gateway/chat-surface.ts";
import { replyToChat, serveChat } from "../gateway/serve-chat.ts";
import { serveAudio } from "../gateway/serve-audio.ts";
import { serveCompletions } from "../gateway/serve-completions.ts";
import { serveCountTokens } from "../gateway/serve-count-tokens.ts";
import { serveReading } from "../gateway/serve-reading.ts";
import { Ticker } from "../gateway/ticker.ts";
import { speech, transcriptions } from "./routes/audio.ts";
import { chatCompletions } from "./routes/chat-completions.ts";
import { completions } from "./routes/completions.ts";
import { embeddings, ollamaEmbed, ollamaEmbeddings } from "./routes/embeddings.ts";
import { countMessages, countResponses } from "./routes/count-tokens.ts";
import { mountHealth, type HealthDeps } from "./routes/health.ts";
import { mountKeptResponses } from "./routes/kept-responses.ts";
import { messages } from "./routes/messages.ts";
import { ollamaChatSurface } from "./routes/ollama-chat.ts";
import { replyToOllamaChat, serveOllamaChat, serveOllamaGenerate } from "./routes/ollama-generation.ts";
import { mountOllamaListing } from "./routes/ollama-listing.ts";
import { rerank } from "./routes/rerank.ts";
import { responses } from "./routes/responses.ts";
import { listModels, mountModels, type ModelRoutesDeps } from "./routes/models.ts";
import { cors } from "./cors.ts";
import { noWebSocket, surfaceOf, unknownPath, wrongMethod } from "./misses.ts";
import { mountOllamaRefused } from "./routes/ollama-refused.ts";
import { keylessGuard } from "./middleware/keyless-guard.ts";
import type { ServerEnv } from "./server-env.ts";

/** Anything that answers requests: the admin app and the dashboard, loaded when first asked for. */
export interface SubApp {
  fetch(request: Request): Response | Promise<Response>;
}

/** The app with what its server tells of a connection. */
export interface ClientApp {
  fetch(request: Request, env: ServerEnv["Bindings"]): Response | Promise<Response>;
  /** Answers a plain POST to this path without a `Request`; null: `fetch` does. */
  buffered(path: string): BufferedHandler<Reply> | null;
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
export function createApp(deps: AppDeps): ClientApp {
  const app = new Hono<ServerEnv>({ getPath: pathOf });
  const ticker = new Ticker();
  const { gateway } = deps;
  const responsesSurface = responses(deps.responses);

  if (deps.keyless) app.use(keylessGuard);
  const pages = cors(deps.keyless);
  const post = (path: string, serve: (request: Request) => Promise<Response>): void => {
    for (const typed of path.startsWith("/api/") ? [path] : asTyped(path)) {
      app.post(typed, (context) => serve(context.req.raw));
      app.all(typed, (context) => {
        const { raw, path: asked } = context.req;
        const refused = path === "/responses" ? noWebSocket : wrongMethod;
        return pages.preflight(raw, asked) ?? refused(raw, asked, "POST");
      });
    }
  };
  post("/chat/completions", (request) => serveChat(gateway, ticker, chatCompletions, request));
  post("/messages", (request) => serveChat(gateway, ticker, messages, request));
  post("/messages/count_tokens", (request) => serveCountTokens(gateway, countMessages, request));
  post("/responses/input_tokens", (request) => serveCountTokens(gateway, countResponses, request));
  post("/responses", (request) => serveChat(gateway, ticker, responsesSurface, request));
  mountKeptResponses(app, gateway.keys, deps.responses, asTyped("/responses"));
  post("/api/chat", (request) => serveOllamaChat(gateway, ticker, request));
  post("/api/generate", (request) => serveOllamaGenerate(gateway, ticker, request));
  mountOllamaListing(app, deps.models, gateway);
  mountOllamaRefused(app, gateway.keys);
  post("/completions", (request) => serveCompletions(gateway, ticker, completions, request));
  post("/embeddings", (request) => serveReading(gateway, ticker, embeddings, request));
  post("/api/embed", (request) => serveReading(gateway, ticker, ollamaEmbed, request));
  post("/api/embeddings", (request) => serveReading(gateway, ticker, ollamaEmbeddings, request));
  // Cohere's second version has its own prefix; llama-server says `reranking` too.
  for (const path of ["/rerank", "/reranking"]) post(path, (request) => serveReading(gateway, ticker, rerank, request));
  app.post("/v2/rerank", (context) => serveReading(gateway, ticker, rerank, context.req.raw));
  const served = (principal: Principal): string[] =>
    listModels(deps.models, principal).map(({ replica }) => replica.model);
  for (const surface of [transcriptions, speech]) {
    const { endpoint } = surface;
    post(endpoint.slice("/v1".length), (request) => serveAudio(gateway, ticker, surface, served, request));
  }
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

  app.notFound(({ req }) => pages.preflight(req.raw, req.path) ?? unknownPath(req.raw, req.path));
  app.onError((error, context) => {
    const id = newRequestId();
    gateway.log.error("internal error", { request: id, path: context.req.path, cause: error });
    const shape = toErrorResponse(surfaceOf(context.req.path, context.req.raw.headers), { kind: "internal", id }, id);
    return new Response(shape.body, { status: shape.status, headers: shape.headers });
  });
  const chats: readonly (readonly [string, ChatSurface])[] = [
    ["/chat/completions", chatCompletions],
    ["/messages", messages],
    ["/responses", responsesSurface],
  ];
  const buffered = new Map<string, BufferedHandler<Reply>>();
  for (const [path, surface] of chats) {
    // Without keys each request must pass the guard first.
    if (deps.keyless) break;
    const answer = handled(gateway, surface, (request) => replyToChat(gateway, ticker, surface, request));
    for (const typed of asTyped(path)) buffered.set(typed, answer);
  }
  const ollama = (request: BufferedRequest): Promise<Reply> => replyToOllamaChat(gateway, ticker, request);
  if (!deps.keyless) buffered.set(ollamaChatSurface.endpoint, handled(gateway, ollamaChatSurface, ollama));
  return {
    buffered: (path) => buffered.get(path) ?? null,
    fetch(request, env) {
      const answer = app.fetch(request, env);
      if (!request.headers.has("origin")) return answer;
      return Promise.resolve(answer).then((response) => pages.admit(request, response));
    },
  };
}

/** What `app.onError` is for the others. */
function handled(gateway: GatewayDeps, surface: ChatSurface, answer: BufferedHandler<Reply>): BufferedHandler<Reply> {
  const failed = (error: unknown): Reply => {
    const id = newRequestId();
    gateway.log.error("internal error", { request: id, path: surface.endpoint, cause: error });
    return toErrorResponse(surface.dialect.surface, { kind: "internal", id }, id);
  };
  return (request) => answer(request).catch(failed);
}

/** A slash too many comes from a base URL that ends in one, or from a path that does. */
function pathOf(request: Request): string {
  const path = getPathNoStrict(request);
  return path.includes("//") ? path.replaceAll(/\/{2,}/g, "/") : path;
}

/**
 * A client's base URL is typed with `/v1` where its own code adds another, or without where it adds none: each way works.
 */
function asTyped(path: string): readonly string[] {
  return [`/v1${path}`, `/v1/v1${path}`, path];
}
