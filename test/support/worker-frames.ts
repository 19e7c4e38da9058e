import { NODE_PROTOCOL, type RegisterRequest } from "../../src/cluster/node-protocol.ts";
import { SIGNED_HEADER } from "../../src/cluster/signed-call.ts";
import { pinnedFetch } from "../../src/worker/leader-client.ts";
import { MACHINE, type TestLeader, type TestWorker } from "./in-process-cluster.ts";

/** What a small machine without engines says as it joins; its keys are added. */
export const ABOUT: Omit<RegisterRequest, "protocol" | "keys"> = {
  machine: MACHINE,
  name: "box",
  version: "1",
  addresses: [],
  assign: true,
  inventory: {
    hostname: "box",
    os: "linux",
    arch: "x64",
    cpuModel: "cpu",
    physicalCores: 1,
    logicalCores: 1,
    memoryBytes: 1,
    freeMemoryBytes: 1,
    gpus: [],
  },
};

const { inventory, version, addresses } = ABOUT;

/** Its heartbeat. */
export const BEAT = {
  protocol: NODE_PROTOCOL,
  epoch: 1,
  sequence: 7,
  addresses,
  state: { node: "local", inventory, engines: [], replicas: [], embeddedGpu: null, problems: [], version: 1 },
  version,
  load: [],
  utilisation: { cpu: null, gpu: null },
};

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Of a refusal; else "". */
  readonly code: string;
  readonly message: string;
}

/** Straight to a leader's port, with whatever headers. */
export async function post(
  leader: TestLeader,
  path: string,
  body: string,
  headers: Record<string, string>,
): Promise<Answer> {
  const answer = await fetch(`https://${leader.address}${path}`, {
    method: "POST",
    body,
    headers,
    tls: pinnedFetch(leader.identity.certificate),
  });
  const value = (await answer.json()) as { error?: { code: string; message: string } };
  return { status: answer.status, body: value, code: value.error?.code ?? "", message: value.error?.message ?? "" };
}

/** The header of a call to the leader, by whoever has this signer. */
export function signed(
  leader: TestLeader,
  { signer }: Pick<TestWorker, "signer">,
  path: string,
  body: string,
): Record<string, string> {
  return { [SIGNED_HEADER]: signer.sign({ method: "POST", path, body }, leader.audience) };
}
