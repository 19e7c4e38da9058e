import { afterAll, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { joinTailnet, type TailscaleParts } from "./tailscale.ts";
import { askStatus } from "./tailscaled.ts";

// A stand-in: what it answers was recorded from tailscaled 1.104.0. The real one: test/cluster/tailnet.test.ts.

const folder = mkdtempSync(join(tmpdir(), "flock-tailscale-stand-in-"));
const stops: (() => void)[] = [];
afterAll(() => {
  for (const stop of stops) stop();
  rmSync(folder, { recursive: true });
});
const FOREVER = new AbortController().signal;
let made = 0;

interface StandInOptions {
  readonly state: string;
  /** Once its program has been called. */
  readonly afterUp?: string;
  /** What its program says when it fails. */
  readonly fails?: string;
  readonly health?: string;
  readonly server?: string;
}

function statusOf(state: string, health?: string): object {
  const running = state === "Running";
  const ips = running ? ["100.64.0.7", "fd7a:115c:a1e0::7"] : null;
  return {
    Version: "1.104.0",
    TUN: true,
    BackendState: state,
    AuthURL: "",
    TailscaleIPs: ips,
    Self: { ID: "7", HostName: "box", DNSName: running ? "box.lab.example." : "", OS: "linux", TailscaleIPs: ips },
    Health: health === undefined ? [] : [health],
    MagicDNSSuffix: running ? "lab.example" : "",
    CurrentTailnet: running ? { Name: "example.org", MagicDNSSuffix: "lab.example", MagicDNSEnabled: true } : null,
    Peer: null,
    User: null,
  };
}

/** Answers like `tailscaled` and its program, and writes down how that was called. */
function standIn({ state, afterUp = state, fails, health, server = "" }: StandInOptions) {
  const dir = join(folder, String(made++));
  mkdirSync(dir);
  const [socket, program, calls] = [join(dir, "d.sock"), join(dir, "tailscale"), join(dir, "calls")];
  writeFileSync(join(dir, "said"), fails ?? "");
  const up = fails === undefined ? "exit 0" : `cat ${dir}/said >&2; exit 1`;
  const keep = `case $a in --auth-key=file:*) f=\${a#--auth-key=file:}; cat $f > ${calls}.key; stat -c %a $f > ${calls}.mode;; esac`;
  writeFileSync(program, `#!/bin/sh\necho "$@" > ${calls}\nfor a in "$@"; do ${keep}; done\n${up}\n`);
  chmodSync(program, 0o755);
  const daemon = Bun.serve({
    unix: socket,
    fetch(request) {
      const { pathname, host } = new URL(request.url);
      if (host !== "local-tailscaled.sock") return new Response("invalid localapi request", { status: 403 });
      if (pathname === "/localapi/v0/prefs") return Response.json({ ControlURL: server });
      if (pathname !== "/localapi/v0/status") return new Response("404 page not found", { status: 404 });
      return Response.json(statusOf(existsSync(calls) ? afterUp : state, health));
    },
  });
  stops.push(() => void daemon.stop(true));
  const parts: TailscaleParts = {
    daemon: { socket, program },
    authKey: "",
    loginServer: "",
    tailnet: "",
    loginMs: 2_000,
  };
  return { parts, calls };
}

async function told(parts: TailscaleParts): Promise<string> {
  const joined = await joinTailnet(parts, FOREVER);
  return joined.ok ? joined.value.addresses.join(" ") : `${joined.error.message} | ${joined.error.mend}`;
}

test("a machine that is in its tailnet is left as it is", async () => {
  const { parts, calls } = standIn({ state: "Running", server: "https://mesh.example" });
  expect(await told({ ...parts, tailnet: "example.org", loginServer: "https://mesh.example/" })).toBe(
    "100.64.0.7 fd7a:115c:a1e0::7",
  );
  expect(await told({ ...parts, tailnet: "lab.example" })).toStartWith("100.64.0.7");
  expect(await told({ ...parts, tailnet: "other.org" })).toBe(
    "this machine is in the tailnet example.org, but mesh.tailnet_name is other.org | tailscale switch --list   # or FLOCK_MESH_TAILNET_NAME=…",
  );
  expect(await told({ ...parts, loginServer: "https://other.example" })).toStartWith(
    "this machine is logged in at https://mesh.example, but mesh.login_server is https://other.example | sudo tailscale login",
  );
  expect(existsSync(calls)).toBe(false);
});

test("so is one that a person has stopped, with a key or without", async () => {
  const { parts, calls } = standIn({ state: "Stopped" });
  expect(await told({ ...parts, authKey: "k" })).toBe("tailscale was stopped on this machine | sudo tailscale up");
  expect(existsSync(calls)).toBe(false);
});

test("one that is not is logged in with the key, which is in no argument, at the server that is named", async () => {
  const { parts, calls } = standIn({ state: "NeedsLogin", afterUp: "Running", server: "https://mesh.example" });
  const key = "tskey-auth-secret";
  expect(await told({ ...parts, authKey: key, loginServer: "https://mesh.example" })).toStartWith("100.64.0.7");
  const called = readFileSync(calls, "utf8");
  expect(called).toContain("up --timeout=2s --auth-key=file:");
  expect(called).toContain("--login-server=https://mesh.example");
  expect(called).not.toContain(key);
  expect(readFileSync(`${calls}.key`, "utf8")).toBe(key);
  expect(readFileSync(`${calls}.mode`, "utf8").trim()).toBe("600");
  const file = /file:(\S+)/.exec(called)?.[1] ?? "";
  expect(statSync(file, { throwIfNoEntry: false })).toBeUndefined();
});

test("what stands in the way is named with what mends it, and the key is in no text", async () => {
  const absent = { ...standIn({ state: "Running" }).parts, daemon: { socket: join(folder, "none"), program: null } };
  expect(await told(absent)).toContain("tailscaled does not answer at");
  expect(await told(standIn({ state: "NeedsLogin" }).parts)).toBe(
    "this machine is not logged in to a tailnet | sudo tailscale up   # or FLOCK_MESH_AUTH_KEY=…",
  );
  expect(await told(standIn({ state: "NeedsMachineAuth" }).parts)).toContain("approved first");
  const starting = standIn({ state: "Starting", health: "the network is down" });
  expect(await told({ ...starting.parts, loginMs: 300 })).toBe(
    "tailscale did not come up in time: the network is down | tailscale status",
  );
  const failing = async (fails: string): Promise<string> => {
    const { parts } = standIn({ state: "NeedsLogin", fails, health: "the network is down" });
    return await told({ ...parts, authKey: "tskey-bad" });
  };
  expect(await failing("backend error: invalid key: tskey-bad\n")).toBe(
    "tailscale up failed: backend error: invalid key: … | sudo tailscale up   # or another FLOCK_MESH_AUTH_KEY",
  );
  expect(
    await failing("Access denied: checkprefs access denied\n\nUse 'sudo tailscale up --auth-key=file:/x'.\n"),
  ).toBe(
    "this user may not log tailscale in | sudo tailscale set --operator=$USER   # once; or log in: sudo tailscale up",
  );
  expect(
    await failing(
      "Error: changing settings via 'tailscale up' requires mentioning all\nnon-default flags. To proceed, …\n\n\ttailscale up --auth-key=file:/x --timeout=2s --accept-routes\n",
    ),
  ).toBe(
    "tailscale has settings of its own on this machine, which a login must name too | sudo tailscale up --auth-key=… --accept-routes",
  );
  expect(
    await failing(
      'timeout waiting for Tailscale service to enter a Running state; check health with "tailscale status"\n',
    ),
  ).toBe("tailscale did not come up in time: the network is down | tailscale status");
});

test("a daemon without a socket for others is asked through its program", async () => {
  const program = join(folder, "app");
  writeFileSync(join(folder, "status.json"), JSON.stringify(statusOf("Running")));
  writeFileSync(program, `#!/bin/sh\n[ "$*" = "status --json" ] && cat ${folder}/status.json\n`);
  chmodSync(program, 0o755);
  expect((await askStatus({ socket: null, program }, FOREVER))?.BackendState).toBe("Running");
});
