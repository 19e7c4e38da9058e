import { joinTailnet, type MeshProblem, TAILSCALED_SOCKET } from "./cluster/mesh/tailscale.ts";
import type { Config } from "./config/settings.ts";
import { ok, type Result } from "./core/result.ts";

const LOGIN_MS = 60_000;

/** This machine's addresses in the mesh; none where the backend is the plain network. */
export async function joinMesh({ mesh }: Config, signal: AbortSignal): Promise<Result<readonly string[], MeshProblem>> {
  if (mesh.backend !== "tailscale") return ok([]);
  const joined = await joinTailnet(
    {
      socket: TAILSCALED_SOCKET,
      program: Bun.which("tailscale"),
      authKey: mesh.auth_key,
      loginServer: mesh.login_server,
      tailnet: mesh.tailnet_name,
      loginMs: LOGIN_MS,
    },
    signal,
  );
  return joined.ok ? ok(joined.value.addresses) : joined;
}
