import { rmSync } from "node:fs";
import { hostname } from "node:os";
import { readInventory } from "../../agent/inventory.ts";
import type { LeaderProblem } from "../../cli/leader-control.ts";
import type { JoinInput, Member } from "../../cli/membership.ts";
import { NODE_PATHS } from "../../cluster/node-protocol.ts";
import { callsToLeader } from "./leader-calls.ts";
import { joinMesh } from "../mesh.ts";
import { systemClock } from "../../core/clock.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { prepareDataDirectory } from "../../leader/data-directory.ts";
import { credentialPath, keepCredential, readMembership } from "../../worker/credential-file.ts";
import { joinCluster } from "../../worker/join-cluster.ts";
import { machineId } from "../../worker/machine-id.ts";
import { readJoinToken } from "../../cluster/join-tokens.ts";

const LEAVE_MS = 15_000;

/** Registers this machine as a worker and keeps its credential. */
export async function joinAsWorker(input: JoinInput, version: string): Promise<Result<Member, LeaderProblem>> {
  const { config, host, token, name, assign, signal } = input;
  const dataDir = config.values.data_dir;
  const prepared = prepareDataDirectory(dataDir);
  if (!prepared.ok) return err({ message: prepared.error.message, mend: prepared.error.mend });
  const before = readMembership(dataDir);
  if (!before.ok) return before;
  const leader = readJoinToken(token)?.leader;
  const belongs = before.value !== null && !("removed" in before.value);
  if (before.value !== null && belongs && leader !== undefined && leader !== before.value.leader.id) {
    const { node, leader: known } = before.value;
    const message = `this machine is node ${node} of another cluster, whose leader is at ${known.addresses[0]}`;
    return err({ message, mend: "flock leave   # then flock join again" });
  }
  // The leader may be reached through the mesh alone.
  const mesh = await joinMesh(config.values, signal);
  if (!mesh.ok) return mesh;
  const inventory = await readInventory(signal);
  const joined = await joinCluster(
    {
      host,
      token,
      clock: systemClock,
      about: {
        machine: machineId(dataDir),
        name: (name ?? hostname()).slice(0, 64),
        version,
        // Told with the first heartbeat, once the port is open.
        addresses: [],
        inventory: { ...inventory, gpus: [...inventory.gpus] },
        assign,
      },
    },
    signal,
  );
  if (!joined.ok) return joined;
  keepCredential(dataDir, joined.value);
  return ok({ node: joined.value.node, leader: joined.value.leader.addresses[0] ?? "" });
}

/** Says good-bye to the leader, where it can be reached, and forgets the credential. */
export async function leaveCluster(
  dataDir: string,
  signal: AbortSignal,
): Promise<Result<{ readonly told: boolean } & Member, LeaderProblem>> {
  const read = readMembership(dataDir);
  if (!read.ok) return read;
  if (read.value === null) return err({ message: "this machine belongs to no cluster", mend: "flock join" });
  if ("removed" in read.value) {
    const { node, leader } = read.value;
    rmSync(credentialPath(dataDir), { force: true });
    return ok({ node, leader: leader.addresses[0] ?? "", told: true });
  }
  const { node, leader } = read.value;
  const calls = callsToLeader(read.value);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LEAVE_MS)]);
  const left = await calls.call("POST", NODE_PATHS.leave, {}, limit);
  // Removed there already is as good.
  const told = left.ok || (left.error.kind === "refused" && ["revoked", "unknown_node"].includes(left.error.code));
  rmSync(credentialPath(dataDir), { force: true });
  return ok({ node, leader: leader.addresses[0] ?? "", told });
}
