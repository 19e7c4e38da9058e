import { expect, test } from "bun:test";
import { createAdminApp } from "./admin-app.ts";
import { NOT_YET } from "./not-yet.ts";
import { testDeps } from "./test-deps.ts";

/** The specification's "Flock admin surface", row by row. */
const SPECIFIED = [
  "GET /healthz",
  "GET /readyz",
  "GET /metrics",
  "GET /admin/v1/nodes",
  "POST /admin/v1/nodes/register",
  "POST /admin/v1/nodes/heartbeat",
  "POST /admin/v1/nodes/{id}/drain",
  "DELETE /admin/v1/nodes/{id}",
  "GET /admin/v1/models",
  "GET /admin/v1/catalog",
  "POST /admin/v1/models",
  "DELETE /admin/v1/models/{id}",
  "GET /admin/v1/tokens",
  "POST /admin/v1/tokens",
  "DELETE /admin/v1/tokens/{id}",
  "GET /admin/v1/shards",
  "POST /admin/v1/shards/create",
  "DELETE /admin/v1/shards/{model_id}",
  "GET /admin/v1/usage/recent",
  "GET /admin/v1/usage/summary",
  "GET /admin/v1/audit/recent",
  "GET /admin/v1/audit/summary",
  "GET /admin/v1/config",
  "GET /admin/v1/status",
];

/** Ours: one node, a drain taken back, long operations, changes of keys. */
const ADDED = [
  "PATCH /admin/v1/tokens/{id}",
  "GET /admin/v1/aliases",
  "POST /admin/v1/aliases",
  "DELETE /admin/v1/aliases",
  "GET /admin/v1/default-model",
  "GET /admin/v1/route",
  "PUT /admin/v1/default-model",
  "DELETE /admin/v1/default-model",
  "POST /admin/v1/usage/rebuild",
  "GET /admin/v1/nodes/{id}",
  "POST /admin/v1/nodes/{id}/undrain",
  "GET /admin/v1/adapters",
  "POST /admin/v1/adapters",
  "DELETE /admin/v1/adapters/{id}",
  "GET /admin/v1/engines",
  "GET /admin/v1/engine-versions",
  "POST /admin/v1/engine-versions",
  "POST /admin/v1/engine-versions/use",
  "GET /admin/v1/engines/{node}/{engine}/logs",
  "POST /admin/v1/engines/{node}/{engine}/{action}",
  "POST /admin/v1/nodes/join-tokens",
  "POST /admin/v1/models/{id}/move",
  "GET /admin/v1/jobs",
  "GET /admin/v1/jobs/{id}",
  "DELETE /admin/v1/jobs/{id}",
  "GET /admin/v1/jobs/{id}/events",
];

interface Operation {
  summary?: string;
  security?: Record<string, string[]>[];
  responses?: Record<string, unknown>;
  parameters?: { name: string; in: string }[];
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { securitySchemes: Record<string, { type: string; scheme?: string }>; schemas: Record<string, unknown> };
}

async function fetchDocument(): Promise<Document> {
  const response = await createAdminApp(testDeps()).request("/openapi.json");
  expect(response.status).toBe(200);
  return (await response.json()) as Document;
}

function operationsOf(document: Document): Map<string, Operation> {
  return new Map(
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
    ),
  );
}

test("the document holds every row of the specification's admin surface, our additions and nothing else", async () => {
  const operations = operationsOf(await fetchDocument());
  expect([...operations.keys()].toSorted()).toEqual([...SPECIFIED, ...ADDED].toSorted());
  for (const [row, operation] of operations) expect([row, operation.summary?.length ?? 0]).not.toEqual([row, 0]);
});

test("it is OpenAPI 3.1, and every admin row asks for a key", async () => {
  const document = await fetchDocument();
  expect(document.openapi).toBe("3.1.0");
  expect(document.components.securitySchemes["bearer"]).toEqual({ type: "http", scheme: "bearer" });
  for (const [row, operation] of operationsOf(document)) {
    const schemes = (operation.security ?? []).flatMap((one) => Object.keys(one));
    expect([row, schemes]).toEqual([row, row.includes("/admin/") ? ["bearer", "apiKey"] : []]);
  }
});

test("every path parameter is declared, and every reference resolves", async () => {
  const document = await fetchDocument();
  for (const [row, operation] of operationsOf(document)) {
    const named = [...row.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");
    const declared = (operation.parameters ?? []).filter((one) => one.in === "path").map((one) => one.name);
    expect([row, declared]).toEqual([row, named]);
  }
  const references = JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g);
  const missing = [...references].filter(([, name]) => !(name !== undefined && name in document.components.schemas));
  expect(missing).toEqual([]);
});

test("these are the rows that still answer 501", () => {
  expect(NOT_YET.map((row) => `${row.method.toUpperCase()} ${row.path}`)).toEqual([
    "POST /admin/v1/models",
    "DELETE /admin/v1/models/{id}",
    "GET /admin/v1/shards",
    "POST /admin/v1/shards/create",
    "DELETE /admin/v1/shards/{model_id}",
    "GET /admin/v1/usage/summary",
    "GET /admin/v1/audit/summary",
  ]);
});
