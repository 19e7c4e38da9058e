/** A model that an empty node could take. */
export interface WantedModel {
  readonly model: string;
  /** Requests that wait for a slot of it now. */
  readonly queued: number;
  readonly isDefault: boolean;
  /** The bundled smoke test helps nobody twice. */
  readonly smokeTest: boolean;
}

/** What an empty node should serve, likeliest first: what most requests wait for, then the default model. */
export function wantedModels(models: readonly WantedModel[]): readonly string[] {
  return models
    .filter(({ queued, isDefault, smokeTest }) => !smokeTest && (queued > 0 || isDefault))
    .toSorted((a, b) => b.queued - a.queued || Number(b.isDefault) - Number(a.isDefault))
    .map(({ model }) => model);
}
