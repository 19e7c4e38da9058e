import type { Result } from "../../core/result.ts";
import { wait } from "../../core/wait.ts";
import type { MeshProblem, MeshState } from "./tailscale.ts";

export interface FollowTimes {
  /** Between two looks while all is well. */
  readonly everyMs: number;
  /** After a problem: the first wait, doubled up to the second. */
  readonly retryMs: readonly [number, number];
}

export const TAILNET_TIMES: FollowTimes = { everyMs: 30_000, retryMs: [2_000, 120_000] };

export interface FollowTailnetParts {
  /** Looks, and logs in where that is to be done. */
  readonly join: (signal: AbortSignal) => Promise<Result<MeshState, MeshProblem>>;
  /** Called when this machine's place in the mesh is another one than before. */
  readonly found: (state: MeshState) => void;
  readonly log: {
    info(message: string, fields?: Readonly<Record<string, unknown>>): void;
    warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  };
  readonly times: FollowTimes;
}

/**
 * Keeps this machine in its tailnet until the signal fires: `tailscaled` may start after Flock, and start anew. A problem is
 * said once, and when it is over. Addresses stay known meanwhile: a `tailscaled` that comes back has the same ones.
 */
export async function followTailnet(parts: FollowTailnetParts, signal: AbortSignal): Promise<void> {
  const { join, found, log, times } = parts;
  const [firstMs, mostMs] = times.retryMs;
  let retryMs = firstMs;
  let problem = "";
  let known = "";
  while (!signal.aborted) {
    const joined = await join(signal);
    if (signal.aborted) return;
    if (joined.ok) {
      const { addresses, callsOut } = joined.value;
      if (problem !== "") log.info("this machine is in the tailnet", { addresses });
      const now = JSON.stringify(joined.value);
      if (now !== known && !callsOut) log.warn(INBOUND_ONLY, { mend: INBOUND_MEND });
      if (now !== known) found(joined.value);
      known = now;
      problem = "";
      retryMs = firstMs;
    } else if (joined.error.message !== problem) {
      problem = joined.error.message;
      log.warn(problem, { mend: joined.error.mend });
    }
    await wait(joined.ok ? times.everyMs : retryMs, signal);
    if (!joined.ok) retryMs = Math.min(retryMs * 2, mostMs);
  }
}

const INBOUND_ONLY =
  "tailscaled runs with userspace networking: others reach this machine over the tailnet, it reaches nobody there";
const INBOUND_MEND = "sudo tailscaled   # without --tun=userspace-networking";
