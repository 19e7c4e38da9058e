import { z } from "zod";
import { codeOf } from "../../core/error-code.ts";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { NdjsonParser } from "../../wire/ndjson.ts";
import { openEngine } from "../ask-engine.ts";
import type { Endpoint, PullProgress } from "../driver.ts";
import { errorText, failed, unreachable } from "./read-error.ts";
import { isCloudModel, OLLAMA_REINSTALL } from "./start.ts";

const line = z.looseObject({
  status: z.string().nullish(),
  digest: z.string().nullish(),
  total: z.number().nonnegative().nullish(),
  completed: z.number().nonnegative().nullish(),
  error: z.unknown().optional(),
});

/** Checking a large file's digest is silent, and takes minutes on a slow disk. */
const LONGEST_SILENCE_MS = 15 * 60_000;

/**
 * Downloads a model, or updates it. Everything after the first byte comes with status 200: a failure is a line of the
 * stream, and a stream that ends without `success` failed as well. Ollama keeps what came and goes on from there.
 */
export async function pullModel(
  at: Endpoint,
  model: string,
  onProgress: (progress: PullProgress) => void,
  signal: AbortSignal,
): Promise<Result<void, Failure>> {
  if (isCloudModel(model)) return err(cloud(model));
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), LONGEST_SILENCE_MS);
  try {
    const over = AbortSignal.any([signal, silence.signal]);
    const response = await openEngine(at, "/api/pull", over, { body: { model, stream: true } });
    if (!response.ok) return err(refused(errorText(await response.text()) ?? `it answered ${response.status}`));
    const reader = new PullReader(onProgress);
    for await (const piece of response.body ?? []) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), LONGEST_SILENCE_MS);
      const ended = reader.push(piece);
      if (ended) return ended;
    }
    return reader.end();
  } catch (cause) {
    if (signal.aborted) return err({ kind: "cancelled" });
    if (silence.signal.aborted) return err({ kind: "engine_timeout", engine: "ollama", waitedMs: LONGEST_SILENCE_MS });
    const code = codeOf(cause);
    return err(
      /refused/i.test(code) ? unreachable(at.url) : failed(`the download broke off (${code || "connection"})`),
    );
  } finally {
    clearTimeout(timer);
  }
}

/** Adds up the layers, which download side by side, each with lines of its own. */
class PullReader {
  readonly #onProgress: (progress: PullProgress) => void;
  readonly #parser = new NdjsonParser();
  readonly #layers = new Map<string, { total: number; completed: number }>();

  constructor(onProgress: (progress: PullProgress) => void) {
    this.#onProgress = onProgress;
  }

  /** Null: it goes on. */
  push(piece: Uint8Array): Result<void, Failure> | null {
    return this.#read(this.#parser.push(piece));
  }

  end(): Result<void, Failure> {
    return this.#read(this.#parser.end()) ?? err(failed("the download ended before it was complete"));
  }

  #read(lines: readonly string[]): Result<void, Failure> | null {
    for (const text of lines) {
      const parsed = line.safeParse(parseJson(text));
      if (!parsed.success) return err(failed("a line of its download is not JSON"));
      const { status, digest, total, completed, error } = parsed.data;
      if (error !== undefined && error !== null) return err(refused(errorText(text) ?? "the download failed"));
      if (digest && typeof total === "number") this.#layers.set(digest, { total, completed: completed ?? 0 });
      if (status === "success") return ok(undefined);
      this.#onProgress({ status: status ?? "", ...this.#sum() });
    }
    return null;
  }

  #sum(): { completedBytes: number; totalBytes: number } {
    let completedBytes = 0;
    let totalBytes = 0;
    for (const { total, completed } of this.#layers.values()) {
      completedBytes += completed;
      totalBytes += total;
    }
    return { completedBytes, totalBytes };
  }
}

function refused(text: string): Failure {
  if (/llama-server binary not found/i.test(text)) return failed(text.slice(0, 100), OLLAMA_REINSTALL);
  return failed(text.slice(0, 300));
}

function cloud(model: string): Failure {
  const message = `${model} runs on the vendor's machines: prompts would leave the building. Take a tag without "cloud".`;
  return { kind: "unsupported", capability: "cloud models", endpoint: false, message };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
