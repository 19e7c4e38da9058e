import { err, ok, type Result } from "../../core/result.ts";
import type { Link, TicketService } from "../link.ts";
import { digestModel, type ModelPart, type PullAnswer, pullModel } from "../model-files.ts";
import { type DirectWay, digestOfParts } from "../ticket.ts";
import { wait } from "../../core/wait.ts";

const LOOK_MS = 300;
/** The worker's own attempts take minutes when the leader restarts; a worker that does not answer for so long is gone. */
const SILENT_MS = 60_000;

export interface BringParts {
  readonly link: Pick<Link, "call">;
  /** Null: the two cannot reach each other without the leader. */
  readonly directWay: (caller: string, node: string, service: TicketService, digest: string | null) => DirectWay | null;
  readonly nameOf: (node: string) => string;
  /** The leader's own. */
  readonly localNode: string;
}

/**
 * Brings a model's files from one node to another: the source tells their checksums, the target pulls them, checks them
 * and tells how far it is. Whatever breaks on the way, what was brought stays, and the next attempt goes on from there.
 * Gives the way that they came.
 */
export async function bringModel(
  parts: BringParts,
  { model, from }: { readonly model: string; readonly from: string },
  to: string,
  signal: AbortSignal,
  progress: (message: string) => void,
): Promise<Result<string, string>> {
  const { link, localNode, nameOf } = parts;
  const sums = await checksums(link, { model, from }, signal, progress);
  if (!sums.ok) return sums;
  const digest = digestOfParts(sums.value);
  const name = nameOf(from);
  const atLeader = from === localNode || to === localNode;
  let mayGoDirectly = true;
  let heardMs = performance.now();
  while (!signal.aborted) {
    const direct = mayGoDirectly ? parts.directWay(to, from, `file/${model}`, digest) : null;
    const body = { model, from, parts: [...sums.value], ...(direct === null ? {} : { direct }) };
    const answer = await link.call(to, pullModel(body), signal);
    if (answer.ok) {
      heardMs = performance.now();
      const { state, doneBytes, totalBytes, problem, way } = answer.value;
      const how = atLeader ? `from ${name}` : sayWay(way, direct !== null || !mayGoDirectly, name);
      if (state === "done") return ok(how);
      if (state === "failed") return err(problem ?? "it could not be brought");
      progress(`bringing its file ${how}, ${share(doneBytes, totalBytes)}`);
    } else if (answer.error.kind === "refused" && direct !== null) {
      // A worker of an earlier version knows of no direct way.
      mayGoDirectly = false;
      continue;
    } else if (answer.error.kind !== "node_unreachable" || performance.now() - heardMs > SILENT_MS) {
      return err(answer.error.message);
    }
    await wait(LOOK_MS, signal);
  }
  return err("broken off");
}

function sayWay(way: PullAnswer["way"], open: boolean, name: string): string {
  if (way?.direct === true) return `directly from ${name}`;
  const why =
    way === undefined ? (open ? "" : ", which opens no port") : `, which cannot be reached directly (${way.why})`;
  return `through the leader from ${name}${why}`;
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
