import { expect, test } from "bun:test";
import { workerClientPort } from "./client-port.ts";

const handle = workerClientPort(() => "http://leader:8080");

test("a worker's client port says that it lives, and sends requests to the leader", async () => {
  expect(await handle(new Request("http://worker/healthz")).json()).toEqual({ status: "ok", role: "worker" });
  const refused = handle(new Request("http://worker/v1/chat/completions", { method: "POST", body: "{}" }));
  expect(refused.status).toBe(421);
  expect(await refused.json()).toMatchObject({
    error: { code: "not_the_leader", message: expect.stringContaining("http://leader:8080/v1/chat/completions") },
  });
});
