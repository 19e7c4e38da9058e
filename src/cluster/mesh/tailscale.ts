import { err, ok, type Result } from "../../core/result.ts";
import { wait } from "../../core/wait.ts";
import { askLoginServer, askStatus, logIn, type Tailscaled, type TailscaledStatus } from "./tailscaled.ts";

export interface MeshState {
  /** Of this machine in the mesh. */
  readonly addresses: readonly string[];
  /** False: others reach it there, it reaches nobody. */
  readonly callsOut: boolean;
}

export interface MeshProblem {
  readonly message: string;
  readonly mend: string;
}

export interface TailscaleParts {
  readonly daemon: Tailscaled;
  /** "" for none: then somebody has logged this machine in. */
  readonly authKey: string;
  /** Control server; "" for whichever it is. */
  readonly loginServer: string;
  /** The tailnet that it must be; "" for whichever. */
  readonly tailnet: string;
  readonly loginMs: number;
}

const POLL_MS = 250;
const START_DAEMON =
  process.platform === "darwin" ? "sudo brew services start tailscale" : "sudo systemctl start tailscaled";

/**
 * Makes sure that this machine is in the mesh, and says by which addresses. A machine that is logged in is left as it is,
 * one that a person has taken out (`tailscale down`) too; one that is not logged in is logged in with the key, by Tailscale's
 * own program.
 */
export async function joinTailnet(parts: TailscaleParts, signal: AbortSignal): Promise<Result<MeshState, MeshProblem>> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(parts.loginMs)]);
  const first = await settledStatus(parts, limit);
  if (first?.BackendState !== "NeedsLogin") return await standing(first, parts, signal);
  const { authKey, daemon, loginServer, loginMs } = parts;
  if (authKey === "") {
    const mend = `${loginCommand(parts)}   # or FLOCK_MESH_AUTH_KEY=…`;
    return err({ message: "this machine is not logged in to a tailnet", mend });
  }
  const { program } = daemon;
  if (program === null) return err({ message: "the tailscale program is not installed", mend: "tailscale version" });
  const said = await logIn({ ...daemon, program }, { authKey, loginServer, timeoutMs: loginMs }, signal);
  if (said !== null) return err(loginProblem(said, parts, healthOf(await askStatus(daemon, signal))));
  return await standing(await settledStatus(parts, limit), parts, signal);
}

/** Its state once it has made up its mind; null: it does not answer. */
async function settledStatus({ daemon }: TailscaleParts, limit: AbortSignal): Promise<TailscaledStatus | null> {
  for (;;) {
    const status = await askStatus(daemon, limit);
    if (status?.BackendState !== "NoState" && status?.BackendState !== "Starting") return status;
    await wait(POLL_MS, limit);
    if (limit.aborted) return status;
  }
}

async function standing(
  status: TailscaledStatus | null,
  parts: TailscaleParts,
  signal: AbortSignal,
): Promise<Result<MeshState, MeshProblem>> {
  switch (status?.BackendState) {
    case undefined: {
      const message = `mesh.backend is tailscale, but tailscaled does not answer at ${parts.daemon.socket ?? "all"}`;
      return err({ message, mend: `${START_DAEMON}   # or FLOCK_MESH_BACKEND=lan` });
    }
    case "Running":
      return wrongTailnet(status, parts) ?? (await wrongServer(parts, signal)) ?? ok(stateOf(status));
    case "NeedsMachineAuth":
      return err({
        message: "the tailnet wants this machine to be approved first",
        mend: "tailscale status   # after an admin of the tailnet has approved it",
      });
    case "Stopped":
      return err({ message: "tailscale was stopped on this machine", mend: "sudo tailscale up" });
    default:
      return err({ message: `tailscale did not come up in time${healthOf(status)}`, mend: "tailscale status" });
  }
}

function stateOf({ Self, TUN }: TailscaledStatus): MeshState {
  return { addresses: Self?.TailscaleIPs ?? [], callsOut: TUN !== false };
}

function wrongTailnet(
  { CurrentTailnet }: TailscaledStatus,
  { tailnet }: TailscaleParts,
): Result<never, MeshProblem> | null {
  const names = [CurrentTailnet?.Name, CurrentTailnet?.MagicDNSSuffix].filter((name) => typeof name === "string");
  if (tailnet === "" || names.includes(tailnet)) return null;
  const message = `this machine is in the tailnet ${names[0] ?? "of no name"}, but mesh.tailnet_name is ${tailnet}`;
  return err({ message, mend: "tailscale switch --list   # or FLOCK_MESH_TAILNET_NAME=…" });
}

async function wrongServer(
  { daemon, loginServer }: TailscaleParts,
  signal: AbortSignal,
): Promise<Result<never, MeshProblem> | null> {
  if (loginServer === "") return null;
  const server = await askLoginServer(daemon, signal);
  if (server === null || withoutSlash(server) === withoutSlash(loginServer)) return null;
  const message = `this machine is logged in at ${server}, but mesh.login_server is ${loginServer}`;
  return err({ message, mend: `sudo tailscale login --login-server=${loginServer}   # or FLOCK_MESH_LOGIN_SERVER=…` });
}

/** What `tailscale up` says when it fails, with what mends it. */
function loginProblem(said: string, parts: TailscaleParts, health: string): MeshProblem {
  const lines = said.split("\n").map((line) => line.trim());
  if (lines.some((line) => line.startsWith("Access denied"))) {
    const message = "this user may not log tailscale in";
    return { message, mend: "sudo tailscale set --operator=$USER   # once; or log in: " + loginCommand(parts) };
  }
  // It prints the whole command, with settings of somebody that must not be lost.
  const whole = lines.find((line) => line.startsWith("tailscale up "));
  if (whole !== undefined) {
    const message = "tailscale has settings of its own on this machine, which a login must name too";
    return { message, mend: `sudo ${whole.replace(/--auth-key=\S+/, "--auth-key=…").replace(/ --timeout=\S+/, "")}` };
  }
  if (said.startsWith("timeout waiting"))
    return { message: `tailscale did not come up in time${health}`, mend: "tailscale status" };
  const [line = said] = lines.filter((text) => text !== "");
  return { message: `tailscale up failed: ${line}`, mend: `${loginCommand(parts)}   # or another FLOCK_MESH_AUTH_KEY` };
}

function healthOf(status: TailscaledStatus | null): string {
  const [first] = status?.Health ?? [];
  return first === undefined ? "" : `: ${first}`;
}

function loginCommand({ loginServer }: TailscaleParts): string {
  return `sudo tailscale up${loginServer === "" ? "" : ` --login-server=${loginServer}`}`;
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, "");
}
