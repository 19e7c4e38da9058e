import type { OpenAPIHono } from "@hono/zod-openapi";
import type { AdminEnv } from "./admin-env.ts";

/** Served by the gateway itself, without a key, and documented here with the rest. */
const SERVED_ELSEWHERE = [
  { path: "/healthz", summary: "Is the process alive", type: "application/json" },
  { path: "/readyz", summary: "Can it answer requests; 503 when it cannot", type: "application/json" },
  { path: "/metrics", summary: "Metrics in Prometheus' text format", type: "text/plain" },
] as const;

/** The whole admin surface as OpenAPI 3.1, made from the routes that serve it. */
export function openApiDocument(app: OpenAPIHono<AdminEnv>, version: string) {
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Flock admin API",
      version,
      description:
        "Needs a key of scope `admin` (`flock token create --admin`). Times are epoch milliseconds. Every answer " +
        "carries `x-request-id`.",
    },
    servers: [{ url: "/" }],
  });
  const elsewhere = SERVED_ELSEWHERE.map(({ path, summary, type }) => {
    const ok = { description: "OK", content: { [type]: { schema: {} } } };
    return [path, { get: { summary, tags: ["health"], security: [], responses: { 200: ok } } }] as const;
  });
  return {
    ...document,
    paths: { ...Object.fromEntries(elsewhere), ...document.paths },
    components: {
      ...document.components,
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        apiKey: { type: "apiKey", in: "header", name: "x-api-key" },
      },
    },
  };
}
