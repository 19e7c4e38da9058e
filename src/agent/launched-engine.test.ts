import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeStandinLlamaServer } from "../../test/support/standin-binary.ts";
import { systemClock } from "../core/clock.ts";
import type { LaunchSpec } from "../engine/driver.ts";
import { llamaServerLaunch } from "../engine/llama-cpp/launch.ts";
import { llamaCppManager } from "../engine/llama-cpp/manage.ts";
import { EngineRecords } from "./engine-record.ts";
import { freePort } from "./free-port.ts";
import { SHORT_TIMES } from "./fixtures/short-times.ts";
import { until } from "./fixtures/until.ts";
import { ManagedEngine } from "./managed-engine.ts";
import { StoppedEngines } from "./stopped-engines.ts";

const directories: string[] = [];
const engines: ManagedEngine[] = [];
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.stop()));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

const PORTS = { first: 38_000, last: 38_999 };

function rig(env: Readonly<Record<string, string>> = {}) {
  const dataDir = mkdtempSync(join(tmpdir(), "flock-launch-"));
  directories.push(dataDir);
  const binary = writeStandinLlamaServer(join(dataDir, "bin"));
  const modelPath = join(dataDir, "tiny.gguf");
  writeFileSync(modelPath, "GGUF");
  const spec = llamaServerLaunch({
    id: "llamacpp",
    binary,
    modelPath,
    modelId: "tiny",
    modelBytes: 4,
    contextTokens: 512,
    slots: 3,
    threads: 1,
    gpu: "off",
    ports: PORTS,
    adapters: [],
    childEnv: { PATH: "/usr/bin:/bin", ...env },
    cwd: dataDir,
  });
  const create = (launch: LaunchSpec = spec): ManagedEngine => {
    const engine = new ManagedEngine("local", launch, ["tiny"], llamaCppManager, {
      records: new EngineRecords(dataDir),
      logPath: join(dataDir, "llamacpp.log"),
      clock: systemClock,
      times: SHORT_TIMES,
      log: () => undefined,
      onChange: () => undefined,
      stopped: new StoppedEngines(dataDir),
    });
    engines.push(engine);
    return engine;
  };
  return { dataDir, spec, create };
}

const isReady = (engine: ManagedEngine) => () => engine.status().state === "ready";

test("a llama-server is started on a port of the range, waited for while it loads, and serves the model's id", async () => {
  const { dataDir, create } = rig({ STANDIN_LOAD_MS: "300" });
  const engine = create();
  engine.start();
  await until("it is ready", isReady(engine));
  const { endpoint, secret, pid } = engine.status();
  const port = Number(new URL(endpoint).port);
  expect(port).toBeGreaterThanOrEqual(PORTS.first);
  expect(port).toBeLessThanOrEqual(PORTS.last);
  expect(engine.replicas()).toMatchObject([{ id: "local/llamacpp/tiny", slots: 3, contextTokens: 512 }]);
  // The key stands in no argument, and the server asks for it.
  if (process.platform === "linux") expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).not.toContain(secret);
  expect((await fetch(`${endpoint}/props`)).status).toBe(401);
  expect(engine.logs(50).lines.join("\n")).toContain("server is listening");
  expect(existsSync(join(dataDir, "engines", "llamacpp.json"))).toBe(true);
});

test("the next agent takes a running llama-server over, with its port and key", async () => {
  const { create } = rig();
  const first = create();
  first.start();
  await until("it is ready", isReady(first));
  const { pid, endpoint } = first.status();
  await first.release();
  const second = create();
  second.start();
  await until("it is taken over", isReady(second));
  expect(second.status()).toMatchObject({ pid, endpoint });
});

test("one that hangs is ended and started again", async () => {
  const { create } = rig();
  const engine = create();
  engine.start();
  await until("it is ready", isReady(engine));
  const { pid } = engine.status();
  process.kill(pid ?? 0, "SIGSTOP");
  await until("another one is ready", () => engine.status().pid !== pid && isReady(engine)());
  expect(engine.status().restarts).toBe(1);
});

test("one that answers but gives no token is started again after three strikes, unless it works", async () => {
  const { create } = rig();
  const engine = create();
  engine.start();
  await until("it is ready", isReady(engine));
  const { pid, endpoint, secret } = engine.status();
  const ask = () =>
    fetch(`${endpoint}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${secret}` },
      body: "{}",
    });
  expect(await engine.check({ reason: "quiet", strikes: 0 })).toEqual({ healthy: true, progressing: null });
  await ask();
  expect(await engine.check({ reason: "quiet", strikes: 3 })).toEqual({ healthy: true, progressing: true });
  expect(engine.status().pid).toBe(pid);
  expect(await engine.check({ reason: "no token for 90 s", strikes: 3 })).toEqual({
    healthy: true,
    progressing: false,
  });
  await until("another one is ready", () => engine.status().pid !== pid && isReady(engine)());
});

test("one that cannot load its model is given up, with its own last words", async () => {
  const { spec, create } = rig({ STANDIN_FAIL: "error: unsupported model architecture: 'llama9'" });
  const engine = create({ ...spec, readyTimeoutMs: 5_000 });
  engine.start();
  await until("it is given up", () => engine.status().state === "crashloop");
  expect(engine.status().problem).toContain("exit code 1");
  expect(engine.logs(20).lines.join("\n")).toContain("llama9");
});

test("when all ports are taken it says which setting gives others", () => {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("") });
  const port = server.port ?? 0;
  expect(() => freePort({ first: port, last: port })).toThrow("engine.port_range");
  void server.stop(true);
});
