import { z } from "zod";
import type { Failure } from "../../core/failure.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { askEngine } from "../ask-engine.ts";
import type { Endpoint, EngineInfo, EngineManager, ServedModel } from "../driver.ts";
import { type OllamaSettings, shown, tag, type Tag, toServedModel } from "./describe-model.ts";
import { pullModel } from "./pull.ts";
import { errorText, failed, readOllamaText, unreachable } from "./read-error.ts";
import { isCloudModel, OLLAMA_PULL, OLLAMA_START } from "./start.ts";

const version = z.looseObject({ version: z.string().min(1) });
const tags = z.looseObject({ models: z.array(tag).nullish() });

/** What its front page says. Flock speaks Ollama's API too, and must not take itself for one. */
const FRONT_PAGE = "Ollama is running";
/** Somebody has a hundred models: the first look at them must not take seconds. */
const AT_ONCE = 8;
/** A large model comes from a slow disk. */
const LOAD_TIMEOUT_MS = 600_000;

export function ollamaManager(settings: OllamaSettings): EngineManager {
  /** By digest: a model is asked about once, however often it is looked for. */
  const described = new Map<string, ServedModel>();

  const probe = async (at: Endpoint, signal: AbortSignal): Promise<Result<EngineInfo, Failure>> => {
    const front = await askEngine(at, "/", signal);
    if (!front.ok) return err(unreachable(at.url));
    if (!front.value.text.startsWith(FRONT_PAGE)) return err(failed(`what answers at ${at.url} is not Ollama`));
    const [said, listed] = await Promise.all([
      askEngine(at, "/api/version", signal),
      askEngine(at, "/api/tags", signal),
    ]);
    if (!said.ok || !listed.ok) return err(unreachable(at.url));
    const parsed = version.safeParse(said.value.body);
    const list = tags.safeParse(listed.value.body);
    if (!parsed.success || !list.success) return err(failed(`what answers at ${at.url} is not Ollama`));
    const local = (list.data.models ?? []).filter((one) => !isRemote(one));
    const models: ServedModel[] = [];
    for (let start = 0; start < local.length; start += AT_ONCE) {
      const some = local.slice(start, start + AT_ONCE).map((one) => describe(at, one, signal));
      for (const model of await Promise.all(some)) if (model) models.push(model);
    }
    // Half a list would make models come and go.
    return signal.aborted ? err(unreachable(at.url)) : ok({ version: parsed.data.version, gpu: null, models });
  };

  /** Null: it was deleted a moment ago, or says nothing sensible of itself. */
  const describe = async (at: Endpoint, listed: Tag, signal: AbortSignal): Promise<ServedModel | null> => {
    const key = `${listed.name} ${listed.digest ?? ""}`;
    const known = described.get(key);
    if (known && listed.digest) return known;
    const answer = await askEngine(at, "/api/show", signal, { body: { model: listed.name } });
    const parsed = answer.ok && answer.value.status === 200 ? shown.safeParse(answer.value.body) : null;
    if (!parsed?.success) return null;
    const model = toServedModel(listed, parsed.data, settings);
    described.set(key, model);
    return model;
  };

  /** `keep_alive` and nothing to say: it only loads, or unloads. */
  const keep = async (at: Endpoint, engineModel: string, keepAlive: number, signal: AbortSignal) => {
    const served = [...described.values()].find((model) => model.engineModel === engineModel);
    const options = served ? { options: { num_ctx: served.contextTokens } } : {};
    const body = { model: engineModel, keep_alive: keepAlive, stream: false, ...options };
    // Models that only embed know no other call.
    const path = served?.abilities.chat === false ? "/api/embed" : "/api/generate";
    return done(at, await askEngine(at, path, signal, { body, timeoutMs: LOAD_TIMEOUT_MS }), engineModel);
  };

  return {
    kind: "ollama",
    startCommand: OLLAMA_START,
    pullCommand: OLLAMA_PULL,
    probe,
    load: (at, engineModel, signal) => keep(at, engineModel, -1, signal),
    unload: (at, engineModel, signal) => keep(at, engineModel, 0, signal),
    pull: pullModel,
    async remove(at, engineModel, signal) {
      const body = { model: engineModel };
      return done(at, await askEngine(at, "/api/delete", signal, { method: "DELETE", body }), engineModel);
    },
  };
}

function isRemote({ name, remote_host: host, remote_model: model }: Tag): boolean {
  return isCloudModel(name) || Boolean(host) || Boolean(model);
}

function done(
  at: Endpoint,
  answer: Result<{ readonly status: number; readonly text: string }, string>,
  engineModel: string,
): Result<void, Failure> {
  if (!answer.ok) return err(unreachable(at.url));
  const { status, text } = answer.value;
  const error = errorText(text);
  if (status < 300 && error === null) return ok(undefined);
  if (status === 404) return err({ kind: "unknown_model", model: engineModel, nearest: [] });
  return err(
    readOllamaText(
      error ?? `it answered with status ${status}`,
      { model: engineModel, engineModel, contextTokens: 0 },
      status,
    ),
  );
}
