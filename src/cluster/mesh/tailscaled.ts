import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";

/** What the local `tailscaled` says of itself; much more stands in its answer. */
const statusAnswer = z.object({
  BackendState: z.string(),
  /** False: it has no network interface of its own ("userspace networking"). */
  TUN: z.boolean().optional(),
  /** What is wrong, in its words. */
  Health: z.array(z.string()).nullish(),
  Self: z.object({ TailscaleIPs: z.array(z.string()).nullish() }).nullish(),
  CurrentTailnet: z.object({ Name: z.string().nullish(), MagicDNSSuffix: z.string().nullish() }).nullish(),
});
export type TailscaledStatus = z.infer<typeof statusAnswer>;

const prefsAnswer = z.object({ ControlURL: z.string() });

/** The `tailscaled` of this machine, and the program that talks to it. */
export interface Tailscaled {
  /** Where it listens for its own machine; null: it has no socket for others (the app of macOS), so its program is asked. */
  readonly socket: string | null;
  /** The `tailscale` program; null: it is not installed. */
  readonly program: string | null;
}

const MAC = process.platform === "darwin";
const USUAL_SOCKET = MAC ? "/var/run/tailscaled.socket" : "/var/run/tailscale/tailscaled.sock";
const MAC_APP = "/Applications/Tailscale.app/Contents/MacOS/Tailscale";

const ASK_MS = 3_000;

/** `socket`: where the operator says that it listens; "" for the usual place. */
export function findTailscaled(socket: string): Tailscaled {
  const isApp = MAC && socket === "" && !existsSync(USUAL_SOCKET) && existsSync(MAC_APP);
  const program = Bun.which("tailscale") ?? (isApp ? MAC_APP : null);
  return { socket: isApp ? null : socket || USUAL_SOCKET, program };
}

/** Null: it does not answer. */
export async function askStatus(daemon: Tailscaled, signal: AbortSignal): Promise<TailscaledStatus | null> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]);
  const said = await (daemon.socket === null ? askProgram(daemon, limit) : ask(daemon.socket, "status", limit));
  return statusAnswer.safeParse(said).data ?? null;
}

/** The control server that this machine belongs to, logged in or not; null: it cannot be told. */
export async function askLoginServer({ socket }: Tailscaled, signal: AbortSignal): Promise<string | null> {
  if (socket === null) return null;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]);
  return prefsAnswer.safeParse(await ask(socket, "prefs", limit)).data?.ControlURL ?? null;
}

export interface Login {
  readonly authKey: string;
  /** "" for Tailscale's own. */
  readonly loginServer: string;
  readonly timeoutMs: number;
}

/**
 * Logs in with the key. The key is in a file of our own while the program reads it: arguments can be read by other users.
 * Gives what the program said when it failed, without the key; null: it did not fail.
 */
export async function logIn(
  { socket, program }: Tailscaled & { readonly program: string },
  login: Login,
  signal: AbortSignal,
): Promise<string | null> {
  const folder = mkdtempSync(join(tmpdir(), "flock-mesh-"));
  try {
    const file = join(folder, "auth-key");
    writeFileSync(file, login.authKey, { mode: 0o600 });
    const args = socket === null ? [] : [`--socket=${socket}`];
    args.push("up", `--timeout=${Math.ceil(login.timeoutMs / 1_000)}s`, `--auth-key=file:${file}`);
    if (login.loginServer !== "") args.push(`--login-server=${login.loginServer}`);
    // It ends by itself; this is for one that does not.
    const limit = AbortSignal.any([signal, AbortSignal.timeout(login.timeoutMs + ASK_MS)]);
    const run = Bun.spawn([program, ...args], { stdin: "ignore", stdout: "ignore", stderr: "pipe", signal: limit });
    const [said, code] = await Promise.all([new Response(run.stderr).text(), run.exited]);
    return code === 0 ? null : said.replaceAll(login.authKey, "…").trim() || `exit code ${code}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function ask(socket: string, what: string, signal: AbortSignal): Promise<unknown> {
  try {
    const url = `http://local-tailscaled.sock/localapi/v0/${what}`;
    const answer = await fetch(url, { unix: socket, signal, keepalive: false });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

async function askProgram({ program }: Tailscaled, signal: AbortSignal): Promise<unknown> {
  if (program === null) return null;
  try {
    const run = Bun.spawn([program, "status", "--json"], { stdin: "ignore", stdout: "pipe", stderr: "ignore", signal });
    const [said] = await Promise.all([new Response(run.stdout).text(), run.exited]);
    return JSON.parse(said) as unknown;
  } catch {
    return null;
  }
}
