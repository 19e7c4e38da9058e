import { describe, expect, test } from "bun:test";
import { createAdminApp } from "./admin-app.ts";
import { NOT_YET } from "./not-yet.ts";
import { ADMIN_SECRET, NODE_SECRET, testDeps, USER_SECRET } from "./test-deps.ts";

const BASE = "http://flock.test:8080";
const AS_ADMIN = { authorization: `Bearer ${ADMIN_SECRET}` };

interface ErrorAnswer {
  error: { message: string; type: string; code: string; mend?: string; field?: string; capability?: string };
}

function request(path: string, init: RequestInit = {}): Request {
  const headers = new Headers(init.headers);
  if (!headers.has("host")) headers.set("host", new URL(path, BASE).host);
  return new Request(new URL(path, BASE), { ...init, headers });
}

async function errorOf(response: Response): Promise<ErrorAnswer["error"]> {
  return ((await response.json()) as ErrorAnswer).error;
}

describe("who may ask", () => {
  test("no key and an unknown key are 401 with the command that makes one", async () => {
    const app = createAdminApp(testDeps());
    for (const headers of [{}, { authorization: "Bearer wrong" }, { authorization: "Basic abc" }]) {
      const response = await app.request(request("/admin/v1/status", { headers }));
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toContain("Bearer");
      expect(await errorOf(response)).toEqual({
        message: "This API key is not known.",
        type: "unauthenticated",
        code: "invalid_api_key",
        mend: "flock token create --admin",
      });
    }
  });

  test("an admin key is taken as a bearer token and as x-api-key", async () => {
    const app = createAdminApp(testDeps());
    for (const headers of [AS_ADMIN, { authorization: `bearer ${ADMIN_SECRET}` }, { "x-api-key": ADMIN_SECRET }]) {
      expect((await app.request(request("/admin/v1/status", { headers }))).status).toBe(200);
    }
  });

  test("user and node keys are 403 on every path, and calls of nodes are sent to the node port", async () => {
    const app = createAdminApp(testDeps());
    const paths = ["/admin/v1/status", "/admin/v1/tokens", "/admin/v1/jobs/job_1/events", "/admin/v1/nowhere"];
    for (const secret of [USER_SECRET, NODE_SECRET]) {
      for (const path of paths) {
        const response = await app.request(request(path, { headers: { "x-api-key": secret } }));
        expect(response.status).toBe(403);
        expect((await errorOf(response)).message).toContain("admin scope");
      }
    }
    for (const path of ["/admin/v1/nodes/register", "/admin/v1/nodes/heartbeat"]) {
      const asNode = request(path, { method: "POST", headers: { "x-api-key": NODE_SECRET } });
      const refused = await app.request(asNode);
      expect([refused.status, (await errorOf(refused)).message]).toEqual([403, expect.stringContaining("node port")]);
      const asUser = request(path, { method: "POST", headers: { "x-api-key": USER_SECRET } });
      expect((await app.request(asUser)).status).toBe(403);
    }
  });

  test("a change sent by another site's page is refused, also with a valid key", async () => {
    const deps = testDeps();
    const app = createAdminApp(deps);
    const send = (origin: string, method: string) => {
      const body = method === "POST" ? "{}" : null;
      const headers = { ...AS_ADMIN, origin, "content-type": "application/json" };
      return app.request(request("/admin/v1/tokens", { method, headers, body }));
    };
    for (const origin of ["https://evil.example", "null", "http://flock.test:9090", "file://", "flock.test:8080"]) {
      const response = await send(origin, "POST");
      expect([origin, response.status]).toEqual([origin, 403]);
      expect(response.headers.get("access-control-allow-origin")).toBeNull();
    }
    expect(deps.keys).toHaveLength(0);
    expect((await send(BASE, "POST")).status).toBe(201);
    expect((await send("https://llm.example.test", "POST")).status).toBe(201);
    expect((await send("https://evil.example", "GET")).status).toBe(200);
  });
});

describe("every answer", () => {
  test("has a request id of its own and is not stored", async () => {
    const app = createAdminApp(testDeps());
    const seen = new Set<string>();
    const paths = ["/admin/v1/status", "/admin/v1/nowhere", "/admin/v1/catalog", "/openapi.json"];
    for (const headers of [AS_ADMIN, {}]) {
      for (const path of paths) {
        const sent = request(path, { headers: { ...headers, "x-request-id": "mine" } });
        const response = await app.request(sent);
        expect(response.headers.get("cache-control")).toBe("no-store");
        seen.add(response.headers.get("x-request-id") ?? "");
      }
    }
    expect(seen.size).toBe(2 * paths.length);
    expect([...seen].every((id) => id.startsWith("req_"))).toBe(true);
  });

  test("a throw is told by its id only, and reported under the same id", async () => {
    const deps = testDeps({ status: () => Promise.reject(new Error("password=hunter2")) });
    const response = await createAdminApp(deps).request(request("/admin/v1/status", { headers: AS_ADMIN }));
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(text).not.toContain("hunter2");
    expect(response.headers.get("cache-control")).toBe("no-store");
    const id = response.headers.get("x-request-id") ?? "";
    expect(text).toContain(id);
    expect(deps.bugs.map((bug) => bug.requestId)).toEqual([id]);
    expect(String(deps.bugs[0]?.cause)).toContain("hunter2");
  });

  test("a path that does not exist is a 404 that says where to look", async () => {
    const response = await createAdminApp(testDeps()).request(request("/admin/v1/nowhere", { headers: AS_ADMIN }));
    expect(response.status).toBe(404);
    expect((await errorOf(response)).message).toContain("/openapi.json");
  });
});

describe("bodies", () => {
  const post = (body: BodyInit, headers: Record<string, string> = {}) =>
    request("/admin/v1/tokens", {
      method: "POST",
      headers: { ...AS_ADMIN, "content-type": "application/json", ...headers },
      body,
    });

  test("a body over the limit is 413, with a length and without one", async () => {
    const deps = testDeps();
    const server = Bun.serve({ port: 0, fetch: createAdminApp(deps).fetch });
    try {
      const url = new URL("/admin/v1/tokens", server.url);
      const headers = { ...AS_ADMIN, "content-type": "application/json" };
      const big = JSON.stringify({ name: "x".repeat(1024 * 1024) });
      const chunked = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(big));
          controller.close();
        },
      });
      for (const body of [big, chunked]) {
        const response = await fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(5000) });
        expect(response.status).toBe(413);
        expect(await errorOf(response)).toMatchObject({
          type: "too_large",
          message: expect.stringContaining("1048576"),
        });
      }
      expect(deps.keys).toHaveLength(0);
    } finally {
      await server.stop(true);
    }
  });

  test("text that is not JSON, and JSON that is not called so, are 400", async () => {
    const app = createAdminApp(testDeps());
    const broken = await app.request(post('{"name": '));
    expect([broken.status, (await errorOf(broken)).message]).toEqual([400, "The body is not valid JSON."]);
    const unnamed = await app.request(post("{}", { "content-type": "text/plain" }));
    expect([unnamed.status, (await errorOf(unnamed)).field]).toEqual([400, "content-type"]);
  });

  test("a wrong or unknown field is named together with its value", async () => {
    const deps = testDeps();
    const app = createAdminApp(deps);
    const cases: [unknown, string | undefined, string][] = [
      [{ nmae: "x" }, "nmae", '"nmae" is not a field'],
      [{ limits: { daily: 1 } }, "limits.daily", '"limits.daily" is not a field'],
      [{ scope: "root" }, "scope", '"scope" was "root"'],
      [{ limits: { daily_tokens: -1 } }, "limits.daily_tokens", '"limits.daily_tokens" was -1'],
      [{ limits: { daily_tokens: 1.5 } }, "limits.daily_tokens", "was 1.5"],
      [{ models: ["a", 7] }, "models.1", '"models.1" was 7'],
      [{ name: "   " }, "name", '"name" was "   "'],
      [{ name: "a\nb" }, "name", "control characters"],
      [{ expires_at: 1000 }, "expires_at", '"expires_at" was 1000'],
      [{ local_only: "yes" }, "local_only", '"local_only" was "yes"'],
      [[], undefined, "The body was []"],
      [{ scope: ADMIN_SECRET }, "scope", "sk-orc-…"],
    ];
    for (const [body, field, message] of cases) {
      const response = await app.request(post(JSON.stringify(body)));
      const error = await errorOf(response);
      expect([response.status, error.field]).toEqual([400, field]);
      expect(error.message).toContain(message);
      expect(error.message).not.toContain(ADMIN_SECRET);
    }
    expect(deps.keys).toHaveLength(0);
  });

  test("query values are checked like bodies", async () => {
    const app = createAdminApp(testDeps());
    const wrong = ["limit=0", "limit=1001", "limit=1e2", "limit=", "limit=1&limit=2", "limt=5", "user="];
    for (const query of wrong) {
      const response = await app.request(request(`/admin/v1/usage/recent?${query}`, { headers: AS_ADMIN }));
      const error = await errorOf(response);
      expect([query, response.status, error.field]).toEqual([query, 400, query.split("=")[0]]);
    }
  });
});

test("what is not served yet answers 501 and names the capability", async () => {
  const app = createAdminApp(testDeps());
  for (const row of NOT_YET) {
    const path = row.path.replaceAll(/\{\w+\}/g, "some-id");
    const response = await app.request(request(path, { method: row.method.toUpperCase(), headers: AS_ADMIN }));
    expect([row.path, response.status]).toEqual([row.path, 501]);
    expect(await errorOf(response)).toMatchObject({
      type: "unsupported",
      code: "not_implemented",
      capability: row.capability,
    });
  }
});
