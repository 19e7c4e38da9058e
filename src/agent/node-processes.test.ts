import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "../cluster/process-identity.ts";
import { err, ok } from "../core/result.ts";
import { freePort } from "./free-port.ts";
import { NodeProcesses } from "./node-processes.ts";
import { processRoute } from "./process-routes.ts";

const folder = mkdtempSync(join(tmpdir(), "flock-processes-"));
const binary = join(folder, "rpc-server");
writeFileSync(
  binary,
  `#!/bin/sh\nexec "${process.execPath}" "${join(import.meta.dir, "fixtures/rpc-server-stand-in.ts")}" "$@"\n`,
);
chmodSync(binary, 0o755);
const kept: NodeProcesses[] = [];
afterAll(async () => {
  await Promise.all(kept.map((processes) => processes.stopAll()));
  rmSync(folder, { recursive: true });
});

function open(dataDir = mkdtempSync(join(folder, "d-"))): { processes: NodeProcesses; dataDir: string } {
  const processes = new NodeProcesses({
    dataDir,
    find: (program) => (program === "rpc-server" ? ok(binary) : err(`no ${program} is installed`)),
    env: { PATH: process.env["PATH"] ?? "" },
    freePort: () => freePort({ first: 28_200, last: 28_299 }),
  });
  kept.push(processes);
  return { processes, dataDir };
}

async function call(processes: NodeProcesses, method: string, path: string, body?: unknown) {
  const request = new Request(`http://agent${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = await processRoute(request, processes);
  return { status: answer?.status, body: (await answer?.json()) as Record<string, unknown> };
}

const WISH = { id: "rpc-1", program: "rpc-server", args: ["-m", "512"] };

test("a program is started on loopback, found running by the next agent, and stopped", async () => {
  const { processes, dataDir } = open();
  const started = await call(processes, "POST", "/v1/process/start", WISH);
  expect(started.status).toBe(200);
  const { pid, port } = started.body as { pid: number; port: number };
  expect(isAlive(pid)).toBe(true);
  expect((await call(processes, "POST", "/v1/process/start", WISH)).body).toEqual(started.body);
  const other = await call(processes, "POST", "/v1/process/start", { ...WISH, args: [] });
  expect(other.status).toBe(409);
  const logs = await call(processes, "GET", "/v1/process/logs?id=rpc-1&lines=5");
  expect(String(logs.body["lines"])).toContain(`--host 127.0.0.1 --port ${port} -m 512`);
  processes.release();

  const next = open(dataDir).processes;
  expect((await call(next, "GET", "/v1/process")).body).toEqual({ processes: [started.body] });
  expect((await call(next, "POST", "/v1/process/stop", { id: "rpc-1" })).status).toBe(200);
  expect(isAlive(pid)).toBe(false);
  expect(readdirSync(join(dataDir, "processes"))).toEqual([]);
  expect((await call(next, "POST", "/v1/process/stop", { id: "rpc-1" })).status).toBe(404);
});

test("other programs, places of its own and paths as ids are refused; one that ends says its last line", async () => {
  const { processes } = open();
  const start = (change: object) => call(processes, "POST", "/v1/process/start", { ...WISH, ...change });
  expect((await start({ program: "sh", args: ["-c", "true"] })).status).toBe(400);
  expect((await start({ args: ["--host", "0.0.0.0"] })).body).toEqual({
    error: { message: "args: where it listens is the agent's to say" },
  });
  expect((await start({ args: ["--port=1"] })).status).toBe(400);
  expect((await start({ id: "../x" })).status).toBe(400);
  expect((await start({ surprise: 1 })).status).toBe(400);
  expect((await start({ program: "llama-server" })).body).toMatchObject({
    error: { message: "llama-server cannot be started: no llama-server is installed" },
  });
  const broken = await start({ id: "broken", args: ["--broken"] });
  expect(broken.status).toBe(502);
  expect(JSON.stringify(broken.body)).toContain("ended before it listened: no memory for that");
  expect(processes.list()).toEqual([]);
});
