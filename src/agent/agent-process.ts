import { statSync } from "node:fs";
import { hashOptions } from "../cluster/agent-record.ts";
import { systemClock } from "../core/clock.ts";
import { embeddedLaunch, embeddedManager } from "../engine/embedded/manage.ts";
import { serveNode } from "./agent.ts";
import type { AgentOptions } from "./agent-options.ts";
import { attachedManagers } from "./attached-managers.ts";
import type { ModelChoice } from "./choose-model.ts";
import { readGpus } from "./gpus.ts";
import { LlamaInstalls } from "./install/llama-installs.ts";
import { findLlamaProgram } from "./find-llama-program.ts";
import { freePort } from "./free-port.ts";
import { modelPlaces } from "./sourced-model.ts";
import { readInventory } from "./inventory.ts";
import { ENGINE_TIMES, setUpEngines } from "./node-engines.ts";

const HEARTBEAT_MS = 5_000;

/**
 * The agent's process from here on. When the signal fires it ends and the engines run on. That it must not run (another
 * agent serves this directory) is said on standard error, and in the exit code.
 */
export async function runAgent(options: AgentOptions, signal: AbortSignal): Promise<void> {
  const drivers = {
    embedded: embeddedManager,
    attached: attachedManagers(options),
    launch: (model: ModelChoice, threads: number) =>
      embeddedLaunch({
        id: "embedded",
        modelPath: model.path,
        modelId: model.modelId,
        modelBytes: statSync(model.path, { throwIfNoEntry: false })?.size ?? 0,
        contextTokens: options.contextTokens,
        slots: options.slots,
        threads,
        gpu: options.gpu,
        childCommand: options.childCommand,
        childEnv: options.childEnv,
        cwd: options.dataDir,
      }),
  };
  const outcome = await serveNode(
    {
      dataDir: options.dataDir,
      node: options.node,
      optionsHash: hashOptions(options),
      clock: systemClock,
      heartbeatMs: HEARTBEAT_MS,
      readInventory,
      places: modelPlaces(options),
      installs: new LlamaInstalls({
        dataDir: options.dataDir,
        releaseUrl: options.starts.releaseUrl,
        platform: { os: process.platform, arch: process.arch },
        gpus: readGpus,
      }),
      programs: {
        find: (program) => findLlamaProgram(program, options),
        env: options.childEnv,
        freePort: () => freePort(options.starts.ports),
      },
      engines: (onChange, over) => setUpEngines(options, drivers, systemClock, ENGINE_TIMES, onChange, over),
    },
    signal,
  );
  if (outcome.ok) return;
  console.error(`✗ ${outcome.error}`);
  process.exitCode = 1;
}
