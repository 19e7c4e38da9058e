import { err, ok, type Result } from "../../core/result.ts";
import type { Link } from "../link.ts";
import { digestModel, type ModelPart, pullModel } from "../model-files.ts";
import { wait } from "../wait.ts";

const LOOK_MS = 300;
/** The worker's own attempts take minutes when the leader restarts; a worker that does not answer for so long is gone. */
const SILENT_MS = 60_000;

/**
 * Brings a model's files from one node to another: the source tells their checksums, the target pulls them, checks them
 * and tells how far it is. Whatever breaks on the way, what was brought stays, and the next attempt goes on from there.
 */
export async function bringModel(
  link: Pick<Link, "call">,
  file: { readonly model: string; readonly from: string },
  to: string,
  signal: AbortSignal,
  progress: (message: string) => void,
): Promise<Result<void, string>> {
  const parts = await checksums(link, file, signal, progress);
  if (!parts.ok) return parts;
  let heardMs = performance.now();
  while (!signal.aborted) {
    const answer = await link.call(to, pullModel({ ...file, parts: [...parts.value] }), signal);
    if (answer.ok) {
      heardMs = performance.now();
      const { state, doneBytes, totalBytes, problem } = answer.value;
      if (state === "done") return ok(undefined);
      if (state === "failed") return err(problem ?? "it could not be brought");
      progress(`bringing its file, ${share(doneBytes, totalBytes)}`);
    } else if (answer.error.kind !== "node_unreachable" || performance.now() - heardMs > SILENT_MS) {
      return err(answer.error.message);
    }
    await wait(LOOK_MS, signal);
  }
  return err("broken off");
}

async function checksums(
  link: Pick<Link, "call">,
  { model, from }: { readonly model: string; readonly from: string },
  signal: AbortSignal,
  progress: (message: string) => void,
): Promise<Result<readonly ModelPart[], string>> {
  while (!signal.aborted) {
    const answer = await link.call(from, digestModel(model), signal);
    if (!answer.ok) return err(answer.error.message);
    const { parts, doneBytes, totalBytes } = answer.value;
    if (parts !== null) return ok(parts);
    progress(`reading its file, ${share(doneBytes, totalBytes)}`);
    await wait(LOOK_MS, signal);
  }
  return err("broken off");
}

function share(done: number, total: number): string {
  return total === 0 ? "0 %" : `${Math.floor((100 * done) / total)} %`;
}
