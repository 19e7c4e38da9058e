import { afterEach, expect, test } from "bun:test";
import { createAdminApp } from "./admin-app.ts";
import type { JobEvent } from "./deps.ts";
import { ADMIN_SECRET, jobView, NOW, type TestDeps, testDeps } from "./test-deps.ts";

const servers: Bun.Server<undefined>[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
});

function follow(deps: TestDeps, init: RequestInit = {}, heartbeatMs = 60_000): Promise<Response> {
  const app = createAdminApp(deps, { bodyBytes: 1024, heartbeatMs });
  const server = Bun.serve({ port: 0, fetch: app.fetch });
  servers.push(server);
  const headers = { "x-api-key": ADMIN_SECRET, ...(init.headers as Record<string, string>) };
  return fetch(new URL("/admin/v1/jobs/job_1/events", server.url), {
    signal: AbortSignal.timeout(5000),
    ...init,
    headers,
  });
}

function event(seq: number, state: JobEvent["state"] = "running"): JobEvent {
  return { seq, at: NOW, state, progress: { done: seq, total: 3, message: `day ${seq}` } };
}

function depsWith(events: AsyncIterable<JobEvent>, state: JobEvent["state"] = "succeeded"): TestDeps {
  const deps = testDeps();
  deps.jobViews.set("job_1", jobView({ state, finishedAt: state === "running" ? null : NOW }));
  deps.jobEvents.set("job_1", events);
  return deps;
}

test("events go out with their ids, and the last one is the job's end", async () => {
  async function* events() {
    yield event(1);
    yield event(2, "succeeded");
  }
  const response = await follow(depsWith(events()));
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(response.headers.get("x-request-id")).toStartWith("req_");
  const [hello, first, second, end, rest] = (await response.text()).split("\n\n");
  expect(hello).toBe(": following");
  expect(first).toBe(
    `id: 1\nevent: progress\ndata: {"seq":1,"at":${NOW},"state":"running","progress":{"done":1,"total":3,"message":"day 1"}}`,
  );
  expect(second).toStartWith("id: 2\n");
  expect(end).toStartWith('event: end\ndata: {"job":{"id":"job_1"');
  expect(rest).toBe("");
});

test("a stream that ends before its job does says no end", async () => {
  async function* events() {
    yield event(1);
  }
  const text = await (await follow(depsWith(events(), "running"))).text();
  expect([text.includes("id: 1\n"), text.includes("event: end")]).toEqual([true, false]);
});

test("Last-Event-ID is where it goes on, and nonsense in it is refused", async () => {
  async function* none(): AsyncGenerator<JobEvent> {}
  const deps = depsWith(none());
  await (await follow(deps, { headers: { "last-event-id": "41" } })).text();
  expect(deps.asked.map((one) => one.afterSeq)).toEqual([41]);
  const refused = await follow(deps, { headers: { "last-event-id": "-1" } });
  expect(refused.status).toBe(400);
  expect(await refused.text()).toContain('\\"last-event-id\\" was \\"-1\\"');
});

test("a job that is not there is a 404, not an empty stream", async () => {
  const response = await follow(testDeps());
  expect(response.status).toBe(404);
  expect(response.headers.get("content-type")).toContain("application/json");
});

test("a silent job keeps the connection alive with comments, and loses no event by it", async () => {
  const gate = Promise.withResolvers<undefined>();
  async function* events() {
    await gate.promise;
    yield event(1, "succeeded");
  }
  const response = await follow(depsWith(events()), {}, 5);
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk);
    if (text.split(": still here").length > 3) gate.resolve(undefined);
  }
  expect(text.match(/id: 1\n/g)).toHaveLength(1);
  expect(text).toContain("event: end");
});

test("a client that hangs up ends the job's stream at once", async () => {
  const gate = Promise.withResolvers<undefined>();
  async function* events() {
    await gate.promise;
    yield event(1);
  }
  const deps = depsWith(events());
  const hangUp = new AbortController();
  const response = await follow(deps, { signal: hangUp.signal });
  const reader = response.body?.getReader();
  await reader?.read();
  const signal = deps.asked[0]?.signal;
  expect(signal?.aborted).toBe(false);
  const heard = new Promise((resolve) => {
    signal?.addEventListener("abort", resolve, { once: true });
  });
  hangUp.abort();
  await heard;
  expect(signal?.aborted).toBe(true);
  gate.resolve(undefined);
});

test("a throw in mid-stream is the stream's last event, by its id only", async () => {
  async function* events() {
    yield event(1);
    throw new Error("password=hunter2");
  }
  const deps = depsWith(events());
  const text = await (await follow(deps)).text();
  expect(text).toContain("event: error");
  expect(text).not.toContain("hunter2");
  expect(text).not.toContain("event: end");
  expect(text).toContain(deps.bugs[0]?.requestId ?? "no bug reported");
});
