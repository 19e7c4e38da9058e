import { expect, test } from "bun:test";
import { createAdminApp } from "../admin-app.ts";
import { ADMIN_SECRET, testDeps, USER_SECRET } from "../test-deps.ts";

async function move(model: string, body: unknown, key = ADMIN_SECRET) {
  const response = await createAdminApp(testDeps()).request(`http://flock.test/admin/v1/models/${model}/move`, {
    method: "POST",
    headers: { "x-api-key": key, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, location: response.headers.get("location"), body: await response.json() };
}

test("a move is answered with the job that tells of it", async () => {
  expect(await move("a", { to: "n_1" })).toMatchObject({
    status: 202,
    location: "/admin/v1/jobs/job_9",
    body: { job: { kind: "model.move" } },
  });
});

test("a move of a model or to a node that does not exist, without a node, or by a key that may not, is refused", async () => {
  expect(await move("b", { to: "n_1" })).toMatchObject({ status: 404, body: { error: { code: "model_not_found" } } });
  expect(await move("a", { to: "n_9" })).toMatchObject({ status: 404, body: { error: { mend: "flock node ls" } } });
  expect((await move("a", {})).status).toBe(400);
  expect((await move("a", { to: "n_1", node: "n_2" })).status).toBe(400);
  expect((await move("a", { to: "n_1" }, USER_SECRET)).status).toBe(403);
});
