import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LEAD, type NetLab, type Place, whyNoLab } from "./net-lab.ts";
import { findEngine } from "./real-engine.ts";
import { collect, poll } from "./start-flock.ts";

/** Real `tailscaled`s on the machines of a lab, and the Headscale that they log in at: in `lead`, over TLS. */
export interface Tailnet extends AsyncDisposable {
  readonly loginServer: string;
  /** Folder of the `tailscale` program. */
  readonly programs: string;
  newKey(): Promise<string>;
  /** Not started yet. */
  daemon(place: Place): Daemon;
  /** What a login server says of itself, for when a test fails. */
  log(): string;
}

export interface Daemon {
  readonly socket: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Tailscale's own program. */
  cli(...args: string[]): Promise<string>;
  log(): string;
}

const NAMED = "FLOCK_TAILSCALED_BIN, FLOCK_HEADSCALE_BIN: programs that are there, or folders that hold them";
const PORT = 8443;
const START_MS = 60_000;

/** Why there can be no tailnet here; null: there can. */
export async function whyNoTailnet(): Promise<string | null> {
  const named = process.env["FLOCK_TAILSCALED_BIN"] && process.env["FLOCK_HEADSCALE_BIN"];
  if (!named || programs() === null) return `needs ${NAMED}`;
  if (!existsSync("/dev/net/tun")) return "needs /dev/net/tun";
  if (Bun.which("openssl") === null) return "needs openssl";
  return await whyNoLab();
}

function programs(): Record<"tailscaled" | "tailscale" | "headscale", string> | null {
  const tailscaled = findEngine("FLOCK_TAILSCALED_BIN", "tailscaled");
  const headscale = findEngine("FLOCK_HEADSCALE_BIN", "headscale");
  const tailscale = tailscaled === null ? "" : join(tailscaled, "../tailscale");
  return tailscaled === null || headscale === null || !existsSync(tailscale)
    ? null
    : { tailscaled, tailscale, headscale };
}

export async function openTailnet(lab: NetLab): Promise<Tailnet> {
  const found = programs();
  if (found === null) throw new Error(NAMED);
  const dir = mkdtempSync(join(tmpdir(), "flock-tailnet-"));
  const [certificate, config] = [join(dir, "cert.pem"), join(dir, "headscale.yaml")];
  await must(
    ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"].concat(
      ["-keyout", join(dir, "key.pem"), "-out", certificate, "-subj", "/CN=headscale"],
      ["-addext", `subjectAltName=IP:${LEAD}`],
    ),
  );
  writeFileSync(config, headscaleConfig(dir));
  // What tailscaled may do to it happens to this copy.
  copyFileSync("/etc/resolv.conf", join(dir, "resolv.conf"));
  const headscale = [...lab.prefix("lead"), found.headscale, "-c", config];
  const server = Bun.spawn([...headscale, "serve"], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const logs = [collect(server.stdout), collect(server.stderr)];
  const log = (): string => logs.map(({ text }) => text).join("");
  const running: Bun.Subprocess[] = [server];
  try {
    await poll(START_MS, async () => (await attempt([...headscale, "users", "list"])).code === 0);
  } catch (cause) {
    server.kill("SIGKILL");
    throw new Error(`headscale did not start:\n${log()}`, { cause });
  }
  await must([...headscale, "users", "create", "flock"]);
  return {
    loginServer: `https://${LEAD}:${PORT}`,
    programs: join(found.tailscale, ".."),
    log,
    async newKey() {
      const made = await must([...headscale, "preauthkeys", "create", "--user", "1", "-o", "json"]);
      return (JSON.parse(made) as { key: string }).key;
    },
    daemon(place) {
      const home = join(dir, place);
      mkdirSync(home);
      const socket = join(home, "tailscaled.sock");
      const command = [found.tailscaled, `--statedir=${home}`, `--socket=${socket}`, "--port=0", "--tun=tailscale0"];
      const own = `mount --bind ${join(dir, "resolv.conf")} /etc/resolv.conf && exec "$@"`;
      let child: Bun.Subprocess<"ignore", "pipe", "pipe"> | null = null;
      const texts: { text: string }[] = [];
      const daemon: Daemon = {
        socket,
        async start() {
          const env = { ...process.env, SSL_CERT_FILE: certificate, TS_NO_LOGS_NO_SUPPORT: "true" };
          child = Bun.spawn([...lab.prefix(place), "sh", "-c", own, "sh", ...command], {
            env,
            stdin: "ignore",
            stdout: "pipe",
            stderr: "pipe",
          });
          running.push(child);
          texts.push(collect(child.stdout), collect(child.stderr));
          await poll(START_MS, () => existsSync(socket));
        },
        async stop() {
          child?.kill("SIGTERM");
          await child?.exited;
        },
        cli: (...args) => must([found.tailscale, `--socket=${socket}`, ...args]),
        log: () => texts.map(({ text }) => text).join(""),
      };
      return daemon;
    },
    async [Symbol.asyncDispose]() {
      for (const child of running) child.kill("SIGTERM");
      await Promise.all(running.map(({ exited }) => exited));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function headscaleConfig(dir: string): string {
  const at = (name: string): string => JSON.stringify(join(dir, name));
  return `server_url: https://${LEAD}:${PORT}
listen_addr: 0.0.0.0:${PORT}
metrics_listen_addr: 127.0.0.1:0
grpc_listen_addr: 127.0.0.1:0
noise: { private_key_path: ${at("noise.key")} }
prefixes: { v4: 100.64.0.0/10, v6: "fd7a:115c:a1e0::/48", allocation: sequential }
derp:
  server:
    enabled: true
    region_id: 999
    region_code: lab
    region_name: lab
    verify_clients: false
    stun_listen_addr: 0.0.0.0:3478
    private_key_path: ${at("derp.key")}
    automatically_add_embedded_derp_region: true
    ipv4: ${LEAD}
  urls: []
  paths: []
  auto_update_enabled: false
disable_check_updates: true
database: { type: sqlite, sqlite: { path: ${at("db.sqlite")}, write_ahead_log: true } }
tls_cert_path: ${at("cert.pem")}
tls_key_path: ${at("key.pem")}
log: { level: info, format: text }
policy: { mode: file, path: "" }
dns: { magic_dns: true, base_domain: lab.example, override_local_dns: false, nameservers: { global: [] } }
unix_socket: ${at("headscale.sock")}
unix_socket_permission: "0700"
logtail: { enabled: false }
`;
}

async function attempt(command: readonly string[]): Promise<{ code: number; out: string; said: string }> {
  const run = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, said, code] = await Promise.all([
    new Response(run.stdout).text(),
    new Response(run.stderr).text(),
    run.exited,
  ]);
  return { code, out, said };
}

async function must(command: readonly string[]): Promise<string> {
  const { code, out, said } = await attempt(command);
  if (code !== 0) throw new Error(`${command.join(" ")}: ${said || out}`);
  return out;
}
