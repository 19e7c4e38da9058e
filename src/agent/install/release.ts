import { z } from "zod";
import { err, ok, type Result } from "../../core/result.ts";
import type { InstallProblem } from "./install-problem.ts";

/** One file of a release, as the release's own list tells it. */
export interface Asset {
  readonly name: string;
  readonly url: string;
  readonly bytes: number;
  /** In lower-case hexadecimal; null: the list tells none. */
  readonly sha256: string | null;
}

export interface Release {
  readonly tag: string;
  readonly assets: readonly Asset[];
}

/** The parts of a release list that are looked at; GitHub's API and any mirror of it have them. */
const listing = z.looseObject({
  tag_name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.]{0,60}$/),
  assets: z.array(
    z.looseObject({
      name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$/),
      size: z.number().int().positive(),
      digest: z.string().nullish(),
      browser_download_url: z.url({ protocol: /^https?$/ }),
    }),
  ),
});

const LIST_TIMEOUT_MS = 30_000;
const MOST_BYTES = 8 * 2 ** 20;

/** Asks `<base>/latest` or `<base>/tags/<tag>`. */
export async function readRelease(
  base: string,
  tag: string | null,
  signal: AbortSignal,
): Promise<Result<Release, InstallProblem>> {
  const url = tag === null ? `${base}/latest` : `${base}/tags/${encodeURIComponent(tag)}`;
  let text: string;
  try {
    const answer = await fetch(url, {
      headers: { accept: "application/json", "user-agent": "flock" },
      signal: AbortSignal.any([signal, AbortSignal.timeout(LIST_TIMEOUT_MS)]),
    });
    if (answer.status === 404) {
      const what = tag === null ? "there is no release" : `there is no release ${tag}`;
      return err({ message: `${what} at ${url}`, mend: "flock engine install llamacpp --version <tag>" });
    }
    if (!answer.ok) return err({ message: `${url} answers ${answer.status}`, mend: RETRY });
    text = (await answer.text()).slice(0, MOST_BYTES);
  } catch (error) {
    if (signal.aborted) return err({ message: "cancelled", mend: RETRY });
    return err(noNetwork(url, error));
  }
  const parsed = listing.safeParse(parseJson(text));
  if (!parsed.success) {
    return err({
      message: `what ${url} answers is no list of a release`,
      mend: "flock config show (engine.release_url)",
    });
  }
  const assets = parsed.data.assets.map(({ name, size, digest, browser_download_url }) => ({
    name,
    url: browser_download_url,
    bytes: size,
    sha256: /^sha256:([0-9a-f]{64})$/i.exec(digest ?? "")?.[1]?.toLowerCase() ?? null,
  }));
  return ok({ tag: parsed.data.tag_name, assets });
}

const RETRY = "flock engine install llamacpp (what was downloaded is kept)";

/** On a machine without a network there are two ways: a mirror inside, or the programs brought by hand. */
export function noNetwork(url: string, error: unknown): InstallProblem {
  const why = error instanceof Error ? error.message : String(error);
  return {
    message: `${new URL(url).host} cannot be reached (${why})`,
    mend: "set FLOCK_ENGINE_RELEASE_URL to a mirror, or unpack a release yourself and set FLOCK_LLAMA_BIN_DIR to its directory",
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
