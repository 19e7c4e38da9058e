import { expect, test } from "bun:test";
import { createAdminApp } from "../admin-app.ts";
import { ADMIN_SECRET, testDeps } from "../test-deps.ts";

async function ask(
  method: string,
  path: string,
): Promise<{ status: number; body: Record<string, unknown>; text: string }> {
  const app = createAdminApp(testDeps());
  const response = await app.request(`http://flock.test${path}`, { method, headers: { "x-api-key": ADMIN_SECRET } });
  const text = await response.text();
  return { status: response.status, body: JSON.parse(text) as Record<string, unknown>, text };
}

test("nodes are listed without the secrets of their engines", async () => {
  const { status, body, text } = await ask("GET", "/admin/v1/nodes");
  expect(status).toBe(200);
  expect(body).toMatchObject({ nodes: [{ id: "n_1", state: "ready", link: "lan", models: [{ id: "a", busy: 1 }] }] });
  expect(text).not.toContain("engine-secret");
});

test("a drain answers with the node and the job that tells of the rest", async () => {
  const { status, body } = await ask("POST", "/admin/v1/nodes/n_1/drain");
  expect(status).toBe(202);
  expect(body).toMatchObject({ node: { state: "draining" }, job: { kind: "node.drain" } });
});

test("a node is shown, undrained and removed by its id, and a wrong id is not found", async () => {
  expect((await ask("GET", "/admin/v1/nodes/n_1")).body).toMatchObject({ node: { id: "n_1" }, load: null });
  expect((await ask("POST", "/admin/v1/nodes/n_1/undrain")).status).toBe(200);
  expect((await ask("DELETE", "/admin/v1/nodes/n_1")).status).toBe(200);
  const calls = [
    ["GET", "/admin/v1/nodes/n_9"],
    ["POST", "/admin/v1/nodes/n_9/drain"],
    ["POST", "/admin/v1/nodes/n_9/undrain"],
    ["DELETE", "/admin/v1/nodes/n_9"],
  ] as const;
  for (const [method, path] of calls) {
    expect(await ask(method, path)).toMatchObject({ status: 404, body: { error: { mend: "flock node ls" } } });
  }
});
