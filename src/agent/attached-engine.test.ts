import { expect, test } from "bun:test";
import { systemClock } from "../core/clock.ts";
import { AttachedEngine } from "./attached-engine.ts";
import { scriptedManager } from "./fixtures/scripted-manager.ts";
import { until } from "./fixtures/until.ts";

const times = { probeEveryMs: 10, probeTimeoutMs: 2_000 };

function serve(port = 0, status = 200) {
  return Bun.serve({ hostname: "127.0.0.1", port, fetch: () => Response.json({}, { status }) });
}

test("an engine of a person serves while it is there, leaves when it goes, and returns under a new epoch", async () => {
  const server = serve();
  const { port } = server;
  const changes: string[] = [];
  const at = { url: `http://127.0.0.1:${port}`, secret: "" };
  const engine: AttachedEngine = new AttachedEngine("local", at, scriptedManager, {
    clock: systemClock,
    times,
    onChange: () => changes.push(engine.status().state),
  });
  expect(engine.status()).toMatchObject({ state: "starting", managed: false });
  engine.start();
  await until("ready", () => engine.status().state === "ready");
  expect(engine.status()).toMatchObject({ problem: null, models: ["tiny"], endpoint: at.url });
  expect(engine.replicas().map((replica) => replica.id)).toEqual(["local/embedded/tiny"]);
  const { epoch } = engine.status();

  await server.stop(true);
  await until("stopped", () => engine.status().state === "stopped");
  // Its models stay known, so that a request for one is told what is down and how to start it.
  expect(engine.status()).toMatchObject({
    problem: `does not answer at ${at.url}`,
    start: "flock up",
    models: ["tiny"],
  });
  expect(engine.replicas()).toEqual([]);

  const again = serve(port);
  await until("ready again", () => engine.status().state === "ready");
  expect(engine.status().epoch).toBeGreaterThan(epoch);
  await engine.stop();
  expect(changes).toEqual(["ready", "stopped", "ready"]);
  await again.stop(true);
});

test("an endpoint that answers something else is a problem in words, and Flock does not restart it", async () => {
  const server = serve(0, 401);
  const at = { url: `http://127.0.0.1:${server.port}`, secret: "" };
  const engine = new AttachedEngine("local", at, scriptedManager, { clock: systemClock, times, onChange: () => {} });
  engine.start();
  await until("asked", () => engine.status().state === "stopped");
  expect(engine.status().problem).toBe("said 401");
  expect(engine.restart()).toBe(false);
  await engine.release();
  await server.stop(true);
});
