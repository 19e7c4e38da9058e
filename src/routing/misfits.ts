import type { Candidate } from "./choose-replica.ts";
import type { RouteAsk } from "../core/route-ask.ts";

type Asked = Pick<RouteAsk, "promptTokens" | "hasImages">;

/**
 * Which replicas of a model cannot take a request that others of them can, and why: the context is too small, or it
 * sees no images. Where none can, none is a misfit: the engine's own refusal names the numbers.
 */
export function misfits(replicas: readonly Candidate[], ask: Asked): (candidate: Candidate) => string | null {
  const fitsContext = ({ replica }: Candidate): boolean => replica.contextTokens >= ask.promptTokens;
  const needsContext = replicas.some(fitsContext) && !replicas.every(fitsContext);
  const seesImages = ({ replica }: Candidate): boolean => replica.abilities.images;
  const needsImages = replicas.some(seesImages) && !replicas.every(seesImages) && ask.hasImages();
  return (candidate) => {
    if (needsContext && !fitsContext(candidate)) return "its context is too small";
    if (needsImages && !seesImages(candidate)) return "it sees no images";
    return null;
  };
}
