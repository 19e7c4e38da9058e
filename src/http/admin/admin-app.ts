import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { type AdminEnv, adminGroup } from "./admin-env.ts";
import { refuse } from "./admin-error.ts";
import type { AdminDeps } from "./deps.ts";
import { authenticate, refuseOtherSites } from "./guard.ts";
import { NOT_YET, type NotYet } from "./not-yet.ts";
import { openApiDocument } from "./openapi-document.ts";
import { adaptersRoutes } from "./routes/adapters.ts";
import { aliasesRoutes } from "./routes/aliases.ts";
import { auditRoutes } from "./routes/audit.ts";
import { catalogRoutes } from "./routes/catalog.ts";
import { configRoutes } from "./routes/config.ts";
import { defaultModelRoutes } from "./routes/default-model.ts";
import { engineVersionsRoutes } from "./routes/engine-versions.ts";
import { enginesRoutes } from "./routes/engines.ts";
import { jobsRoutes } from "./routes/jobs.ts";
import { modelsRoutes } from "./routes/models.ts";
import { nodesRoutes } from "./routes/nodes.ts";
import { routeRoutes } from "./routes/route.ts";
import { statusRoutes } from "./routes/status.ts";
import { tokensRoutes } from "./routes/tokens.ts";
import { usageRoutes } from "./routes/usage.ts";
import { bearer, errorResponses } from "./schemas.ts";

export interface AdminLimits {
  readonly bodyBytes: number;
  /** Below what Bun.serve takes for a dead connection (10 s by default, counted in steps of 4). */
  readonly heartbeatMs: number;
}

const LIMITS: AdminLimits = { bodyBytes: 1024 * 1024, heartbeatMs: 3000 };

/**
 * Serves `/admin/v1/**` and `/openapi.json`; anything else under it is a 404 in the same shape. Import it lazily: it
 * brings zod and the schemas, which no request to a model needs.
 */
export function createAdminApp(deps: AdminDeps, limits: AdminLimits = LIMITS): OpenAPIHono<AdminEnv> {
  const app = adminGroup();

  app.use(async (c, next) => {
    const requestId = deps.newRequestId();
    c.set("requestId", requestId);
    c.header("x-request-id", requestId);
    c.header("cache-control", "no-store");
    c.header("x-content-type-options", "nosniff");
    await next();
  });
  app.use("/admin/*", refuseOtherSites(deps), authenticate(deps));
  app.use(
    "/admin/*",
    bodyLimit({
      maxSize: limits.bodyBytes,
      onError: (c) => refuse(c, { kind: "too_large", limitBytes: limits.bodyBytes }),
    }),
  );

  app.route("/", tokensRoutes(deps));
  app.route("/", usageRoutes(deps));
  app.route("/", auditRoutes(deps));
  app.route("/", configRoutes(deps));
  app.route("/", statusRoutes(deps));
  app.route("/", modelsRoutes(deps));
  app.route("/", aliasesRoutes(deps));
  app.route("/", routeRoutes(deps));
  app.route("/", defaultModelRoutes(deps));
  app.route("/", catalogRoutes(deps));
  app.route("/", nodesRoutes(deps));
  app.route("/", adaptersRoutes(deps));
  app.route("/", enginesRoutes(deps));
  app.route("/", engineVersionsRoutes(deps));
  app.route("/", jobsRoutes(deps, limits.heartbeatMs));
  for (const row of NOT_YET) answerNotYet(app, row);

  let document: string | undefined;
  app.get("/openapi.json", (c) => {
    document ??= JSON.stringify(openApiDocument(app, deps.version));
    return c.body(document, 200, { "content-type": "application/json; charset=utf-8" });
  });

  app.notFound((c) =>
    refuse(c, {
      kind: "not_found",
      what: `${c.req.method} ${c.req.path} in the admin API; /openapi.json lists what there is`,
    }),
  );
  app.onError((cause, c) => {
    // The validators throw these for bodies that they cannot read.
    if (cause instanceof HTTPException && cause.status === 415) {
      const message = `The body must be JSON with "content-type: application/json".`;
      return refuse(c, { kind: "invalid_request", field: "content-type", message });
    }
    if (cause instanceof HTTPException && cause.status < 500) {
      return refuse(c, { kind: "invalid_request", field: null, message: "The body is not valid JSON." });
    }
    const known = deps.explain(cause);
    if (known !== null) return refuse(c, known);
    const requestId = c.get("requestId");
    deps.reportBug(requestId, cause);
    return refuse(c, { kind: "internal", id: requestId });
  });
  return app;
}

function answerNotYet(app: OpenAPIHono<AdminEnv>, row: NotYet): void {
  const names = [...row.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");
  const params = z.object(Object.fromEntries(names.map((name) => [name, z.string()])));
  const route = createRoute({
    method: row.method,
    path: row.path,
    summary: row.summary,
    description: `Not served yet: answers 501 with \`capability: "${row.capability}"\`.`,
    tags: [row.path.split("/")[3] ?? "admin"],
    security: bearer,
    ...(names.length === 0 ? {} : { request: { params } }),
    responses: errorResponses,
  });
  app.openapi(route, (c) =>
    refuse(c, {
      kind: "unsupported",
      capability: row.capability,
      endpoint: true,
      message: `${row.method.toUpperCase()} ${row.path} needs ${row.capability}, which this version of Flock does not have yet.`,
    }),
  );
}
