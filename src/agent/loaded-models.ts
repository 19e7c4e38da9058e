import { readFileSync, rmSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import type { AvailableModel, ModelWish } from "../cluster/agent-protocol.ts";
import { shellQuote } from "../core/shell-quote.ts";
import { wait } from "../core/wait.ts";
import { err, ok, type Result } from "../core/result.ts";
import { writePrivateFile } from "../core/private-file.ts";
import { type ModelChoice, modelIdOf } from "./choose-model.ts";
import type { EngineSource } from "./engine-source.ts";
import { isFile, listModelFiles } from "./model-files.ts";

export interface LoadedModelsParts {
  readonly dataDir: string;
  readonly modelsDir: string;
  readonly bundledModel: string;
  /** Served from the start on; null: another engine serves, and all here were asked for. */
  readonly main: { readonly engine: EngineSource; readonly model: ModelChoice } | null;
  /** The node's engines: what is loaded is added to the list, what is unloaded taken off. */
  readonly sources: EngineSource[];
  /** Begins the ids of engines for further models. */
  readonly idPrefix: string;
  readonly create: (engineId: string, model: ModelChoice) => EngineSource;
  /** Its engine is gone for good: loaded again it is a new one. */
  readonly unloaded: (engineId: string) => void;
  readonly onChange: () => void;
  /** Fires when the agent ends. */
  readonly over: AbortSignal;
}

export interface ModelRefusal {
  readonly status: 400 | 404 | 409;
  readonly message: string;
  readonly mend: string;
}

const MOST_MODELS = 16;
const POLL_MS = 50;
const remembered = z.array(z.string());

/**
 * Models that were asked for beside the default one, each in an engine of its own. They are remembered, so that the next
 * agent takes their engines over. Engines start one after the other: each measures the free memory before it loads.
 */
export class LoadedModels {
  readonly #parts: LoadedModelsParts;
  readonly #file: string;
  readonly #loaded = new Map<string, { readonly engine: EngineSource; readonly path: string }>();
  readonly #waiting = new Set<EngineSource>();
  #turn: Promise<void> = Promise.resolve();

  constructor(parts: LoadedModelsParts) {
    this.#parts = parts;
    this.#file = join(parts.dataDir, "loaded-models.json");
  }

  /** Puts back what an earlier agent had loaded, not yet started. Gives the ids of their engines. */
  restore(): readonly string[] {
    for (const path of this.#remembered()) {
      const id = modelIdOf(path);
      if (isFile(path) && !this.#loaded.has(id) && id !== this.#parts.main?.model.modelId) this.#add(id, path);
    }
    this.#remember([...this.#loaded.values()].map(({ path }) => path));
    return [...this.#loaded.values()].map(({ engine }) => engine.id);
  }

  /** Starts what `restore` has put back. */
  start(): void {
    for (const [id, { engine }] of this.#loaded) this.#startInTurn(id, engine);
  }

  /** What could be loaded, and what is. */
  available(): AvailableModel[] {
    const { main, bundledModel, modelsDir } = this.#parts;
    const paths = new Set([
      ...(main ? [main.model.path] : []),
      ...[...this.#loaded.values()].map(({ path }) => path),
      ...listModelFiles(modelsDir).map(({ path }) => path),
      bundledModel,
    ]);
    return [...paths].flatMap((path) => {
      const bytes = statSync(path, { throwIfNoEntry: false })?.size;
      if (bytes === undefined) return [];
      const id = modelIdOf(path);
      const loaded = this.#loaded.get(id);
      const isMain = path === main?.model.path;
      const own = isMain ? main.engine : loaded?.path === path ? loaded.engine : null;
      const engine = own === null || own.status().state === "stopped" ? null : own.id;
      return [{ id, path, bytes, engine, default: isMain }];
    });
  }

  /** Takes it up; the node's state tells when it is ready, or why it is not. Asked twice, it is loaded once. */
  load(wish: ModelWish): Result<{ readonly engine: string; readonly model: string }, ModelRefusal> {
    const found = this.#find(wish);
    if (!found.ok) return found;
    const { id, path } = found.value;
    const { main } = this.#parts;
    const present = this.#loaded.get(id);
    if (main && path === main.model.path) {
      main.engine.resume();
      return ok({ engine: main.engine.id, model: id });
    }
    if (present?.path === path) return ok({ engine: present.engine.id, model: id });
    const other = present?.path ?? (id === main?.model.modelId ? main.model.path : undefined);
    if (other !== undefined) {
      return refuse(409, `${other} is served as ${id} already`, "rename one of the two files");
    }
    if (this.#loaded.size >= MOST_MODELS) {
      return refuse(409, `${MOST_MODELS} models are loaded already`, "unload one first");
    }
    const before = [...this.#loaded.values()].map((one) => one.path);
    const kept = this.#keep([...before, path]);
    if (!kept.ok) return kept;
    const engine = this.#add(id, path);
    this.#startInTurn(id, engine);
    this.#parts.onChange();
    return ok({ engine: engine.id, model: id });
  }

  /**
   * Resolves when its engine is gone. The default model's stays stopped, also over a start of the agent, until the model is
   * loaded or somebody starts its engine.
   */
  async unload(id: string): Promise<Result<void, ModelRefusal>> {
    const wanted = id.toLowerCase();
    const loaded = this.#loaded.get(wanted);
    const { main } = this.#parts;
    if (!loaded) {
      if (main !== null && wanted === main.model.modelId) {
        await main.engine.halt();
        return ok(undefined);
      }
      const known = [...this.#loaded.keys()].join(", ") || "none";
      return refuse(404, `no model ${wanted} was loaded on this node (there is: ${known})`, "flock model ls");
    }
    const others = [...this.#loaded.values()].filter((one) => one !== loaded);
    const kept = this.#keep(others.map(({ path }) => path));
    if (!kept.ok) return kept;
    this.#loaded.delete(wanted);
    this.#waiting.delete(loaded.engine);
    await loaded.engine.stop();
    this.#parts.unloaded(loaded.engine.id);
    const { sources } = this.#parts;
    const place = sources.indexOf(loaded.engine);
    if (place >= 0) sources.splice(place, 1);
    this.#parts.onChange();
    return ok(undefined);
  }

  #find(wish: ModelWish): Result<{ id: string; path: string }, ModelRefusal> {
    if ("path" in wish) {
      const { path } = wish;
      if (!isAbsolute(path) || !/\.gguf$/i.test(path)) {
        return refuse(400, `${path} is not the whole path of a .gguf file`, "give it from the root on");
      }
      if (!isFile(path)) return refuse(404, `${path} is not a file`, "flock model ls");
      return ok({ id: modelIdOf(path), path });
    }
    const id = wish.id.toLowerCase();
    const { modelsDir, bundledModel } = this.#parts;
    const paths = [...listModelFiles(modelsDir).map(({ path }) => path), bundledModel];
    const path = paths.find((one) => modelIdOf(one) === id && isFile(one));
    if (path === undefined) {
      return refuse(404, `${join(modelsDir, `${id}.gguf`)} is not there`, `flock model add ${id}`);
    }
    return ok({ id, path });
  }

  #add(id: string, path: string): EngineSource {
    const engine = this.#parts.create(engineIdOf(this.#parts.idPrefix, id), {
      modelId: id,
      path,
      bundled: false,
      problem: null,
    });
    this.#loaded.set(id, { engine, path });
    this.#parts.sources.push(engine);
    return engine;
  }

  #startInTurn(id: string, engine: EngineSource): void {
    const { sources, over } = this.#parts;
    const mayStart = () => !over.aborted && this.#loaded.get(id)?.engine === engine;
    // Those that wait for their turn look like starting ones too.
    const isBusy = () => sources.some((other) => other !== engine && !this.#waiting.has(other) && isStarting(other));
    this.#waiting.add(engine);
    const turn = async (): Promise<void> => {
      while (mayStart() && isBusy()) await wait(POLL_MS, over);
      this.#waiting.delete(engine);
      if (!mayStart()) return;
      engine.start();
      while (mayStart() && isStarting(engine)) await wait(POLL_MS, over);
    };
    this.#turn = this.#turn.then(turn);
  }

  #remember(paths: readonly string[]): void {
    if (paths.length === 0) rmSync(this.#file, { force: true });
    else writePrivateFile(this.#file, JSON.stringify(paths));
  }

  /** Before anything is done: what cannot be remembered would be undone by the next start. */
  #keep(paths: readonly string[]): Result<void, ModelRefusal> {
    try {
      this.#remember(paths);
      return ok(undefined);
    } catch (error) {
      const message = `what is loaded cannot be remembered: ${error instanceof Error ? error.message : String(error)}`;
      return refuse(409, message, `df -h ${shellQuote(this.#parts.dataDir)}`);
    }
  }

  #remembered(): string[] {
    try {
      const parsed = remembered.safeParse(JSON.parse(readFileSync(this.#file, "utf8")));
      return parsed.success ? parsed.data : [];
    } catch {
      return [];
    }
  }
}

function isStarting(engine: EngineSource): boolean {
  return engine.status().state === "starting";
}

/** File-name-safe, and different for different models. */
function engineIdOf(prefix: string, modelId: string): string {
  const safe = modelId.replaceAll(/[^a-z0-9._-]/g, "-");
  return `${prefix}-${safe === modelId ? safe : `${safe}-${Bun.hash(modelId).toString(36)}`}`;
}

function refuse(status: ModelRefusal["status"], message: string, mend: string): Result<never, ModelRefusal> {
  return err({ status, message, mend });
}
