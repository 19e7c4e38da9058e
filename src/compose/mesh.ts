import { followTailnet, TAILNET_TIMES } from "../cluster/mesh/follow-tailnet.ts";
import { joinTailnet, type MeshProblem, type MeshState } from "../cluster/mesh/tailscale.ts";
import { findTailscaled } from "../cluster/mesh/tailscaled.ts";
import { joinAddress, listensAt } from "../cluster/node-address.ts";
import type { Config } from "../config/settings.ts";
import { ok, type Result } from "../core/result.ts";
import type { Log } from "../telemetry/log.ts";

const LOGIN_MS = 60_000;

/** Brings this machine into the mesh, once; where the backend is the plain network there is nothing to do. */
export async function joinMesh(config: Config, signal: AbortSignal): Promise<Result<unknown, MeshProblem>> {
  return config.mesh.backend === "tailscale" ? await join(config, signal) : ok(null);
}

export interface FollowedMesh {
  /** `host:port` of a port of this machine in the mesh. `host`: what the port listens on, "" for everything. */
  addresses(host: string, port: number): string[];
  stop(): void;
}

/** Keeps this machine in the mesh; `changed` is called when it has other addresses there. */
export function followMesh(config: Config, log: Log, changed: () => void): FollowedMesh {
  if (config.mesh.backend !== "tailscale") return { addresses: () => [], stop: () => undefined };
  const stopped = new AbortController();
  let known: readonly string[] = [];
  const found = ({ addresses }: MeshState): void => {
    known = addresses;
    changed();
  };
  const times = TAILNET_TIMES;
  followTailnet({ join: (signal) => join(config, signal), found, log, times }, stopped.signal).catch((cause: unknown) =>
    log.error("the tailnet is not looked at any more", { cause }),
  );
  return {
    addresses: (host, port) =>
      known.filter((address) => listensAt(host, address)).map((address) => joinAddress(address, port)),
    stop: () => stopped.abort(),
  };
}

function join({ mesh }: Config, signal: AbortSignal): Promise<Result<MeshState, MeshProblem>> {
  const { auth_key: authKey, login_server: loginServer, tailnet_name: tailnet } = mesh;
  const daemon = findTailscaled(mesh.socket);
  return joinTailnet({ daemon, authKey, loginServer, tailnet, loginMs: LOGIN_MS }, signal);
}
