import type { EngineStatus } from "../core/node.ts";
import type { EngineKind, Replica } from "../core/replica.ts";

export interface DefaultWish {
  /** `router.default_model`: an id, a `file:` path; "": whatever is best here. */
  readonly configured: string;
  /** `engine.preferred`. */
  readonly preferred: EngineKind | "auto";
  /** What it was before; "": nothing. It stays while it can: agents would lose their caches with each new model. */
  readonly last: string;
}

export interface Served {
  readonly replicas: readonly Replica[];
  readonly engines: readonly EngineStatus[];
  readonly expected: readonly string[];
}

/** Engines that a person set up come before the one that is always there. */
const ORDER: readonly EngineKind[] = ["ollama", "vllm", "mlx", "llamacpp", "embedded"];

/** The model behind `auto`; "" when nothing is served. */
export function chooseDefaultModel({ replicas, engines, expected }: Served, wish: DefaultWish): string {
  const chat = replicas.filter(({ abilities, parent }) => abilities.chat && parent === undefined);
  const wanted = wish.configured.toLowerCase();
  const named = chat.find(({ model }) => model === wanted || wanted.endsWith(`/${model}.gguf`));
  if (named) return named.model;
  const real = chat.filter(({ smokeTest }) => !smokeTest);
  const preferred = wish.preferred === "auto" ? null : wish.preferred;
  const first = preferred === null ? real : chat.filter(({ engine }) => engine === preferred);
  if (first.some(({ model }) => model === wish.last)) return wish.last;
  const best = bestOf(first);
  if (best !== "") return best;
  // Better to hear how the engine is started than to be answered by another model.
  const down = engines.filter(({ kind }) => (preferred === null ? kind !== "embedded" : kind === preferred));
  const coming = down.flatMap(({ models }) => models).filter((model) => expected.includes(model));
  const [away] = coming.includes(wish.last) ? [wish.last] : coming;
  return away ?? (bestOf(real) || bestOf(chat) || (expected[0] ?? ""));
}

/** The first engine's first model that calls tools, as agents need; else its first. */
function bestOf(replicas: readonly Replica[]): string {
  for (const kind of ORDER) {
    const here = replicas.filter(({ engine }) => engine === kind);
    const best = here.find(({ abilities }) => abilities.tools) ?? here[0];
    if (best) return best.model;
  }
  return "";
}
