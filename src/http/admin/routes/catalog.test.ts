import { expect, test } from "bun:test";
import type { CatalogEntry } from "../../../catalog/entry.ts";
import { createAdminApp } from "../admin-app.ts";
import { ADMIN_SECRET, testDeps, USER_SECRET } from "../test-deps.ts";

const ENTRY: CatalogEntry = {
  id: "qwen3-8b",
  name: "Qwen3 8B",
  family: "qwen",
  vendor: "Alibaba (Qwen)",
  released: "2025-04-28",
  license: "Apache-2.0",
  parameters: { total_b: 8.2, active_b: 8.2 },
  capabilities: ["chat", "tools"],
  sources: { ollama: "qwen3:8b" },
  engines: ["ollama"],
  sharding: { required: false },
  fallback: [],
};

function get(secret: string) {
  const problems = [{ file: "/srv/catalog/b.yaml", line: 3, message: "colour is no field of an entry" }];
  const deps = testDeps({ catalog: async () => ({ directory: "/srv/catalog", entries: [ENTRY], problems }) });
  return createAdminApp(deps).request("/admin/v1/catalog", { headers: { authorization: `Bearer ${secret}` } });
}

test("the catalogue is given as it is in the files, with what is wrong with them", async () => {
  const response = await get(ADMIN_SECRET);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({
    directory: "/srv/catalog",
    models: [ENTRY],
    problems: [{ file: "/srv/catalog/b.yaml", line: 3, message: "colour is no field of an entry" }],
  });
});

test("it is for admin keys", async () => {
  expect((await get(USER_SECRET)).status).toBe(403);
});
