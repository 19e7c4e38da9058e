import type { Replica } from "../core/replica.ts";
import type { ModelSnapshot, Wants } from "./resolve-model.ts";

interface Chosen {
  readonly model: string;
  readonly reason: string;
}

/**
 * The model for a request that leaves the choice to Flock: the default one, unless it lacks what the request needs (tools,
 * images, length) and another one has it. Where none has it the default's own refusal names what is missing. Pure.
 */
export function autoModel({ replicas, defaultModel }: ModelSnapshot, wants: Wants | null): Chosen {
  const usual = { model: defaultModel, reason: "the default model" };
  const [own] = replicas.filter(({ model }) => model === defaultModel);
  const others = replicas.filter(
    ({ model, abilities, smokeTest }) => model !== own?.model && abilities.chat && !smokeTest,
  );
  if (wants === null || own === undefined || others.length === 0) return usual;
  const missing = lacks(own, wants);
  if (missing === "") return usual;
  const able = others.filter((replica) => lacks(replica, wants) === "");
  // Of those that can: the one that holds most, and the first by name, so that equal requests get the same.
  const [best] = able.toSorted((a, b) => b.contextTokens - a.contextTokens || (a.model < b.model ? -1 : 1));
  return best === undefined ? usual : { model: best.model, reason: `${defaultModel} lacks ${missing}` };
}

function lacks({ abilities, contextTokens }: Replica, wants: Wants): string {
  if (!abilities.tools && wants.tools()) return "tools";
  if (contextTokens < wants.promptTokens()) return "the context";
  if (!abilities.images && wants.images()) return "images";
  return "";
}
