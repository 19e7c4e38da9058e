// The engine's process: bun child.ts <model.gguf>. Its settings come by environment, see settings.ts.
// With --describe-gpu it says what it would compute on, as JSON, and ends.
import { rename, writeFile } from "node:fs/promises";
import { systemClock } from "../../core/clock.ts";
import { describeGpu } from "./describe-gpu.ts";
import { loadModel } from "./load-model.ts";
import { startServer } from "./server.ts";
import { readSettings, type EngineSettings } from "./settings.ts";

const EXIT = { stopped: 0, broken: 1, usage: 2, modelNotLoaded: 3 } as const;
/** How long requests in work may go on after SIGTERM. */
const STOP_GRACE_MS = 8_000;
/** Time for whoever polls /health to read the reason. */
const FAILED_LINGER_MS = 500;

function log(line: string): void {
  console.error(`${new Date().toISOString()} ${line}`);
}

if (process.argv[2] === "--describe-gpu") {
  console.log(JSON.stringify(await describeGpu()));
  process.exit(EXIT.stopped);
}
const settings = readSettings(process.argv.slice(2), process.env);
if (!settings.ok) {
  log(settings.error);
  process.exit(EXIT.usage);
}
await run(settings.value).catch((error: unknown) => {
  log(`the engine cannot start: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(EXIT.broken);
});

async function run(engine: EngineSettings): Promise<void> {
  const server = startServer(engine, systemClock, log);
  const loading = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      loading.abort();
      void server.stop(STOP_GRACE_MS).finally(() => process.exit(EXIT.stopped));
    });
  }

  if (engine.readyFile !== null) {
    await writePrivate(
      engine.readyFile,
      JSON.stringify({ pid: process.pid, port: server.port, instance: server.instance }),
    );
  }
  const loaded = await loadModel(engine, loading.signal, log, server.counters);
  if (loading.signal.aborted) return;
  if (loaded.ok) {
    server.serve(loaded.value);
    log(
      `ready on 127.0.0.1:${server.port}: ${engine.modelId}, ${loaded.value.pool.size} × ${loaded.value.contextTokens} tokens`,
    );
    return;
  }
  // Alone on the last line: the agent shows it as the engine's problem.
  console.error(loaded.error);
  server.fail(loaded.error);
  await Bun.sleep(FAILED_LINGER_MS);
  process.exit(EXIT.modelNotLoaded);
}

/** Whole or not at all, and for this user only. */
async function writePrivate(path: string, text: string): Promise<void> {
  const unfinished = `${path}.${process.pid}.tmp`;
  await writeFile(unfinished, text, { mode: 0o600 });
  await rename(unfinished, path);
}
