import { nearestNames } from "../core/text-distance.ts";
import { err, ok, type Result } from "../core/result.ts";
import { audited } from "../store/audited.ts";
import { allSettings, putSetting, removeSetting } from "../store/settings.ts";
import type { AliasDeps, ModelNameProblem } from "./aliases.ts";

/** The setting's name, in the store as in the file. */
export const DEFAULT_MODEL_SETTING = "router.default_model" as const;

const SOURCES = /^(hf|ollama|file):/;

/**
 * Sets the model behind `auto`, or with null takes back what was set here. `shadowedBy` names what is stronger than the
 * store and sets it too: then nothing is changed, because nothing would come of it.
 */
export async function setDefaultModel(
  { store, models }: AliasDeps,
  model: string | null,
  shadowedBy: string | null,
  actor: string,
): Promise<Result<void, ModelNameProblem>> {
  if (shadowedBy !== null) {
    return err({
      kind: "conflict",
      message: `the default model is set by ${shadowedBy}, which is stronger than what is set here`,
      mend: `start Flock without ${shadowedBy}, then: flock default ${model ?? "--clear"}`,
    });
  }
  const served = models.served();
  const known = model === null || SOURCES.test(model) || served.includes(model.toLowerCase());
  if (!known) {
    const names = [...served, ...(await models.installable())];
    if (!names.includes(model.toLowerCase())) {
      return err({ kind: "unknown_model", model: model.slice(0, 200), nearest: nearestNames(model, names) });
    }
  }
  return audited(store, { actor, action: "default.set" }, async (tx) => {
    const before = (await allSettings(tx)).get(DEFAULT_MODEL_SETTING) ?? null;
    if (model === null) await removeSetting(tx, DEFAULT_MODEL_SETTING);
    else await putSetting(tx, DEFAULT_MODEL_SETTING, model, store.clock.now());
    return ok({ target: DEFAULT_MODEL_SETTING, before, after: model, value: undefined, unchanged: before === model });
  });
}
