import type { Clock } from "../core/clock.ts";
import type { EngineManager, LaunchSpec } from "../engine/driver.ts";
import { readCgroupLimits } from "../engine/embedded/cgroup.ts";
import type { EngineSetup } from "./agent.ts";
import type { AgentOptions } from "./agent-options.ts";
import { type Adapter, AdapterBook, refusesAdapters } from "./adapters.ts";
import { ATTACHED_TIMES, type AttachedTimes } from "./attached-engine.ts";
import { chooseModel, type ModelChoice } from "./choose-model.ts";
import { type AttachedKind, candidatesOf, isAttachedKind, unlookedFor } from "./engine-candidates.ts";
import { EngineFinder } from "./engine-finder.ts";
import { startOfOwn } from "./own-engine.ts";
import { sourcedModel } from "./sourced-model.ts";
import { isSameProcess } from "../cluster/process-identity.ts";
import { type EngineRecord, EngineRecords } from "./engine-record.ts";
import type { EngineSource } from "./engine-source.ts";
import { defaultThreads, readPhysicalCores } from "./inventory.ts";
import { engineLogPath } from "./log-file.ts";
import { LoadedModels } from "./loaded-models.ts";
import { ManagedEngine } from "./managed-engine.ts";
import { isFile, listModelFiles } from "./model-files.ts";
import { StoppedEngines } from "./stopped-engines.ts";
import { endStrays } from "./stray-engines.ts";
import { SUPERVISOR_TIMES, type SupervisorTimes } from "./supervisor-times.ts";

/** The engines an agent can drive. `launch` says how to start the embedded one. */
export interface Drivers {
  readonly embedded: EngineManager;
  readonly launch: (model: ModelChoice, threads: number) => LaunchSpec;
  readonly attached: Readonly<Record<AttachedKind, EngineManager>>;
}

export interface EngineTimes {
  readonly supervisor: SupervisorTimes;
  readonly attached: AttachedTimes;
}

export const ENGINE_TIMES: EngineTimes = { supervisor: SUPERVISOR_TIMES, attached: ATTACHED_TIMES };

/** Which engines this node runs by its options; ends what an earlier agent ran beyond them. */
export async function setUpEngines(
  options: AgentOptions,
  drivers: Drivers,
  clock: Clock,
  times: EngineTimes,
  onChange: () => void,
  signal: AbortSignal,
): Promise<EngineSetup> {
  const { dataDir, node, enginePreferred } = options;
  const records = new EngineRecords(dataDir);
  const preferred = isAttachedKind(enginePreferred) ? enginePreferred : null;
  const sources: EngineSource[] = [];
  const problems: string[] = [];
  // The agent's standard output is its log file.
  const log = (message: string) => console.log(`${new Date(clock.now()).toISOString()} ${message}`);
  const book = new AdapterBook(dataDir);
  const stopped = new StoppedEngines(dataDir);
  const create = (
    id: string,
    modelId: string | null,
    manager: EngineManager,
    spec: (adapters: readonly Adapter[]) => LaunchSpec,
  ): ManagedEngine => {
    const parts = {
      records,
      logPath: engineLogPath(dataDir, id),
      clock,
      times: times.supervisor,
      log,
      onChange,
      stopped,
    };
    const adapters = refusesAdapters(manager.kind) === null ? { book, spec } : null;
    return new ManagedEngine(node, spec(book.of(id)), modelId === null ? [] : [modelId], manager, parts, adapters);
  };
  const model = chooseModel({
    wanted: options.defaultModel,
    modelsDir: options.modelsDir,
    bundledModel: options.bundledModel,
    files: listModelFiles(options.modelsDir),
    sourced: sourcedModel(options),
    cwd: process.cwd(),
    isFile,
  });
  const threads = await chooseThreads(options.threads, signal);
  const all = candidatesOf(options, drivers.attached);
  const own =
    preferred === null
      ? null
      : await startOfOwn(
          preferred,
          drivers.attached[preferred],
          { options, model, threads, runs: isRunning(records.read(preferred)) },
          signal,
        );
  if (own !== null && !own.ok) problems.push(own.error);
  // What Flock starts itself is not looked for as somebody else's.
  const candidates = own?.ok ? all.filter(({ manager }) => manager.kind !== preferred) : all;
  const finder = new EngineFinder({
    node,
    candidates,
    preferred: own?.ok ? null : preferred,
    sources,
    clock,
    times: times.attached,
    onChange,
    book,
  });
  const found = await finder.lookOnce(signal);
  if (preferred !== null && !own?.ok) {
    const reason = unlookedFor(preferred, options);
    if (reason !== null) problems.push(reason);
    await endStrays(records, [], times.supervisor);
    return { sources, models: null, problems, start: () => finder.start(signal) };
  }
  const embedded = (id: string, choice: ModelChoice): ManagedEngine =>
    create(id, choice.modelId, drivers.embedded, () => ({ ...drivers.launch(choice, threads), id }));
  const started = own?.ok ? own.value : null;
  const main =
    started === null || preferred === null
      ? embedded("embedded", model)
      : create(preferred, started.modelId, started.manager, (adapters) => started.spec(preferred, model, adapters));
  // The smoke-test model steps back for an engine that has a real one; it is there when there is nothing else.
  const needless = enginePreferred === "auto" && found.length > 0 && model.bundled && !wantsIt(options, model);
  if (!needless) sources.unshift(main);
  const more = (id: string, choice: ModelChoice): ManagedEngine => {
    if (!started?.isGguf) return embedded(id, choice);
    return create(id, choice.modelId, started.manager, (adapters) => started.spec(id, choice, adapters));
  };
  const isGguf = started === null || started.isGguf;
  const models = new LoadedModels({
    dataDir,
    modelsDir: options.modelsDir,
    bundledModel: options.bundledModel,
    main: needless || !isGguf ? null : { engine: main, model },
    sources,
    idPrefix: main.id,
    create: more,
    unloaded: (id) => stopped.set(id, false),
    onChange,
    over: signal,
  });
  await endStrays(records, [...(needless ? [] : [main.id]), ...models.restore()], times.supervisor);
  if (model.problem !== null && found.length === 0 && isGguf) problems.push(model.problem);
  const start = (): void => {
    if (!needless) main.start();
    models.start();
    finder.start(signal);
  };
  return { sources, models, problems, start };
}

/** Somebody asked for the smoke-test model by name. */
function wantsIt({ defaultModel }: AgentOptions, { modelId }: ModelChoice): boolean {
  return defaultModel.toLowerCase() === modelId;
}

function isRunning(record: EngineRecord | null): boolean {
  return record !== null && record.processStart !== null && isSameProcess(record.pid, record.processStart);
}

async function chooseThreads(configured: number, signal: AbortSignal): Promise<number> {
  if (configured > 0) return configured;
  return defaultThreads(await readPhysicalCores(signal), readCgroupLimits().cpus);
}
