import { expect, test } from "bun:test";
import { err, ok, type Result } from "../../core/result.ts";
import { collectingLog } from "../../store/test-store.ts";
import { followTailnet } from "./follow-tailnet.ts";
import type { MeshProblem, MeshState } from "./tailscale.ts";

const AWAY: Result<MeshState, MeshProblem> = err({ message: "tailscaled does not answer", mend: "start it" });
const at = (address: string, callsOut = true): Result<MeshState, MeshProblem> => ok({ addresses: [address], callsOut });

/** What it finds and says while the daemon answers so, one after the other. */
async function followed(answers: readonly Result<MeshState, MeshProblem>[]) {
  const stopped = new AbortController();
  const found: string[] = [];
  const log = collectingLog();
  let asked = 0;
  const join = (): Promise<Result<MeshState, MeshProblem>> => {
    const answer = answers[asked++];
    if (asked >= answers.length) queueMicrotask(() => setImmediate(() => stopped.abort()));
    return Promise.resolve(answer ?? AWAY);
  };
  const times = { everyMs: 1, retryMs: [1, 2] } as const;
  await followTailnet({ join, found: ({ addresses }) => found.push(addresses.join()), log, times }, stopped.signal);
  return { found, lines: log.lines };
}

test("a daemon that starts after Flock is found; while it is away that is said once, and when it is over", async () => {
  const { found, lines } = await followed([AWAY, AWAY, at("100.64.0.1"), at("100.64.0.1"), AWAY, at("100.64.0.1")]);
  expect(found).toEqual(["100.64.0.1"]);
  expect(lines.map(({ message }) => message)).toEqual([
    "tailscaled does not answer",
    "this machine is in the tailnet",
    "tailscaled does not answer",
    "this machine is in the tailnet",
  ]);
});

test("a machine that gets another address has it; one that can only be reached is warned about", async () => {
  const { found, lines } = await followed([at("100.64.0.1"), at("100.64.0.2", false), at("100.64.0.2", false)]);
  expect(found).toEqual(["100.64.0.1", "100.64.0.2"]);
  expect(lines.map(({ message }) => message.slice(0, 41))).toEqual(["tailscaled runs with userspace networking"]);
});
