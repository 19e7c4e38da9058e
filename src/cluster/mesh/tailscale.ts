import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { err, ok, type Result } from "../../core/result.ts";
import { wait } from "../wait.ts";

/** What the local `tailscaled` says of itself; much more stands in its answer. */
const statusAnswer = z.object({
  BackendState: z.string(),
  Self: z.object({ TailscaleIPs: z.array(z.string()).nullish(), DNSName: z.string().nullish() }).nullish(),
  CurrentTailnet: z.object({ Name: z.string().nullish(), MagicDNSSuffix: z.string().nullish() }).nullish(),
});
type Status = z.infer<typeof statusAnswer>;

export interface MeshState {
  /** Of this machine in the mesh. */
  readonly addresses: readonly string[];
}

export interface MeshProblem {
  readonly message: string;
  readonly mend: string;
}

export interface TailscaleParts {
  /** Where `tailscaled` listens for its own machine. */
  readonly socket: string;
  /** The `tailscale` program; null: it is not installed. */
  readonly program: string | null;
  /** "" for none: then somebody has logged this machine in. */
  readonly authKey: string;
  /** Control server; "" for Tailscale's own. */
  readonly loginServer: string;
  /** The tailnet that it must be; "" for whichever. */
  readonly tailnet: string;
  readonly loginMs: number;
}

export const TAILSCALED_SOCKET =
  process.platform === "darwin" ? "/var/run/tailscaled.socket" : "/var/run/tailscale/tailscaled.sock";

const ASK_MS = 3_000;
const POLL_MS = 250;

/**
 * Makes sure that this machine is in the mesh, and says by which addresses. A machine that is logged in is left as it
 * is; one that is not is logged in with the key, by Tailscale's own program, which changes no other setting.
 */
export async function joinTailnet(parts: TailscaleParts, signal: AbortSignal): Promise<Result<MeshState, MeshProblem>> {
  const first = await askStatus(parts.socket, signal);
  if (first === null) {
    const message = `mesh.backend is tailscale, but tailscaled does not answer at ${parts.socket}`;
    return err({ message, mend: "sudo systemctl start tailscaled   # or FLOCK_MESH_BACKEND=lan" });
  }
  if (first.BackendState === "Running") return inTailnet(first, parts);
  if (first.BackendState === "NeedsMachineAuth") return err(APPROVAL);
  if (first.BackendState === "NeedsLogin" && parts.authKey === "")
    return err({ message: "tailscaled is not logged in", mend: "tailscale up   # or FLOCK_MESH_AUTH_KEY=…" });
  if (parts.program === null)
    return err({ message: "the tailscale program is not installed", mend: "tailscale up   # once it is" });
  const problem = await logIn(parts.program, parts, signal);
  if (problem !== null) return err(problem);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(parts.loginMs)]);
  while (!limit.aborted) {
    const status = await askStatus(parts.socket, limit);
    if (status?.BackendState === "Running") return inTailnet(status, parts);
    if (status?.BackendState === "NeedsMachineAuth") return err(APPROVAL);
    await wait(POLL_MS, limit);
  }
  return err({ message: "tailscaled did not come up in time", mend: "tailscale status" });
}

function inTailnet({ Self, CurrentTailnet }: Status, { tailnet }: TailscaleParts): Result<MeshState, MeshProblem> {
  const names = [CurrentTailnet?.Name, CurrentTailnet?.MagicDNSSuffix].filter((name) => typeof name === "string");
  if (tailnet !== "" && !names.includes(tailnet)) {
    const message = `this machine is in the tailnet ${names[0] ?? "of no name"}, but mesh.tailnet_name is ${tailnet}`;
    return err({ message, mend: "tailscale switch --list" });
  }
  return ok({ addresses: Self?.TailscaleIPs ?? [] });
}

/** The key is in a file of our own while the program reads it: arguments can be read by other users. */
async function logIn(program: string, parts: TailscaleParts, signal: AbortSignal): Promise<MeshProblem | null> {
  const folder = mkdtempSync(join(tmpdir(), "flock-mesh-"));
  try {
    const args = ["--socket", parts.socket, "up", `--timeout=${Math.ceil(parts.loginMs / 1_000)}s`];
    if (parts.authKey !== "") {
      const file = join(folder, "auth-key");
      writeFileSync(file, parts.authKey, { mode: 0o600 });
      args.push(`--auth-key=file:${file}`);
    }
    if (parts.loginServer !== "") args.push(`--login-server=${parts.loginServer}`);
    const run = Bun.spawn([program, ...args], { stdin: "ignore", stdout: "ignore", stderr: "pipe", signal });
    const [said, code] = await Promise.all([new Response(run.stderr).text(), run.exited]);
    if (code === 0) return null;
    const [line = ""] = said.trim().split("\n");
    const why = parts.authKey === "" ? line : line.replaceAll(parts.authKey, "…");
    return { message: `tailscale up failed: ${why || `exit code ${code}`}`, mend: "tailscale status; tailscale up" };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { message: `tailscale cannot be run: ${why}`, mend: "tailscale status" };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function askStatus(socket: string, signal: AbortSignal): Promise<Status | null> {
  try {
    const answer = await fetch("http://local-tailscaled.sock/localapi/v0/status", {
      unix: socket,
      signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]),
      keepalive: false,
    });
    const status = statusAnswer.safeParse(await answer.json());
    return status.success ? status.data : null;
  } catch {
    return null;
  }
}

const APPROVAL: MeshProblem = {
  message: "the tailnet wants this machine to be approved first",
  mend: "tailscale status   # after an admin of the tailnet has approved it",
};
