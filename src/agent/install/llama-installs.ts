import type { LlamaInstallBody, LlamaVersionsAnswer } from "../../cluster/agent-protocol.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { ModelRefusal } from "../loaded-models.ts";
import { install, type InstallerParts, type InstallProgress } from "./installer.ts";
import { type Installed, InstalledVersions } from "./installed.ts";

interface Running {
  readonly key: string;
  progress: InstallProgress;
  readonly abort: AbortController;
}

/** The releases of llama.cpp on this machine, and the one install that may run at a time. */
export class LlamaInstalls {
  readonly #parts: InstallerParts;
  readonly #versions: InstalledVersions;
  #running: Running | null = null;
  #last: LlamaVersionsAnswer["last"] = null;

  constructor(parts: InstallerParts) {
    this.#parts = parts;
    this.#versions = new InstalledVersions(parts.dataDir);
  }

  state(): LlamaVersionsAnswer {
    const { progress } = this.#running ?? { progress: null };
    return { versions: this.#versions.list(), installing: progress, last: this.#last };
  }

  /** Taken up, or joined when the same one runs already; `state` tells how it goes on. */
  install(wish: LlamaInstallBody): Result<void, ModelRefusal> {
    const key = JSON.stringify(wish);
    if (this.#running !== null) {
      if (this.#running.key === key) return ok(undefined);
      return err({ status: 409, message: "another version is being installed on this node", mend: "flock job ls" });
    }
    const running: Running = {
      key,
      progress: { bytes: 0, totalBytes: null, message: "" },
      abort: new AbortController(),
    };
    this.#running = running;
    this.#last = null;
    void this.#run(running, wish);
    return ok(undefined);
  }

  /** What was downloaded is kept. */
  cancel(): void {
    this.#running?.abort.abort();
  }

  use(name: string): Result<Installed, ModelRefusal> {
    const found = this.#versions.find(name);
    if (found === null) {
      const known = this.#versions.list().map(({ version, variant }) => `${version}-${variant}`);
      const message = `no llama.cpp ${name} on this node (there is: ${known.join(", ") || "none"})`;
      return err({ status: 404, message, mend: `flock engine install llamacpp --version ${name}` });
    }
    this.#versions.pin(found);
    return ok({ ...found, pinned: true });
  }

  async #run(running: Running, wish: LlamaInstallBody): Promise<void> {
    const report = (progress: InstallProgress): void => {
      running.progress = progress;
    };
    try {
      const done = await install(this.#parts, wish, report, running.abort.signal);
      this.#last = done.ok ? { ok: true, ...done.value } : { ok: false, ...done.error };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#last = { ok: false, message, mend: "flock engine install llamacpp" };
    }
    this.#running = null;
  }
}
