import { afterAll, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { joinTailnet, type TailscaleParts } from "./tailscale.ts";

const folder = mkdtempSync(join(tmpdir(), "flock-tailscale-stand-in-"));
const stops: (() => void)[] = [];
afterAll(() => {
  for (const stop of stops) stop();
  rmSync(folder, { recursive: true });
});
const FOREVER = new AbortController().signal;
let made = 0;

/** A stand-in for `tailscaled` and its program: answers like them, and writes down how it was called. */
function standIn(start: { state: string; afterUp?: string; fails?: string }) {
  const dir = join(folder, String(made++));
  Bun.spawnSync(["mkdir", "-p", dir]);
  const [socket, program, calls] = [join(dir, "d.sock"), join(dir, "tailscale"), join(dir, "calls")];
  const up = start.fails === undefined ? "exit 0" : `echo "${start.fails}" >&2; exit 1`;
  const script = `#!/bin/sh\necho "$@" > ${calls}\nfor a in "$@"; do case $a in --auth-key=file:*) f=\${a#--auth-key=file:}; cat $f > ${calls}.key; stat -c %a $f > ${calls}.mode;; esac; done\n${up}\n`;
  writeFileSync(program, script);
  chmodSync(program, 0o755);
  const server = Bun.serve({
    unix: socket,
    fetch(request) {
      if (new URL(request.url).pathname !== "/localapi/v0/status") return new Response("", { status: 404 });
      const state = existsSync(calls) ? (start.afterUp ?? start.state) : start.state;
      const running = state === "Running";
      return Response.json({
        Version: "1.90.0",
        BackendState: state,
        Self: {
          ID: "n1",
          TailscaleIPs: running ? ["100.64.0.7", "fd7a:115c:a1e0::7"] : null,
          DNSName: "box.example.ts.net.",
        },
        CurrentTailnet: running ? { Name: "example.org", MagicDNSSuffix: "example.ts.net" } : null,
      });
    },
  });
  stops.push(() => void server.stop(true));
  const parts: TailscaleParts = { socket, program, authKey: "", loginServer: "", tailnet: "", loginMs: 2_000 };
  return { parts, calls };
}

async function told(parts: TailscaleParts): Promise<string> {
  const joined = await joinTailnet(parts, FOREVER);
  return joined.ok ? joined.value.addresses.join(" ") : `${joined.error.message} | ${joined.error.mend}`;
}

test("a machine that is in its tailnet is left as it is", async () => {
  const { parts, calls } = standIn({ state: "Running" });
  expect(await told({ ...parts, tailnet: "example.org" })).toBe("100.64.0.7 fd7a:115c:a1e0::7");
  expect(existsSync(calls)).toBe(false);
  expect(await told({ ...parts, tailnet: "other.org" })).toContain("mesh.tailnet_name is other.org");
});

test("one that is not is logged in with the key, which is in no argument, at the server that is named", async () => {
  const { parts, calls } = standIn({ state: "NeedsLogin", afterUp: "Running" });
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
  const absent = { ...standIn({ state: "Running" }).parts, socket: join(folder, "none.sock") };
  expect(await told(absent)).toContain("tailscaled does not answer");
  expect(await told(standIn({ state: "NeedsLogin" }).parts)).toBe(
    "tailscaled is not logged in | tailscale up   # or FLOCK_MESH_AUTH_KEY=…",
  );
  expect(await told(standIn({ state: "NeedsMachineAuth" }).parts)).toContain("approved first");
  const wrong = standIn({ state: "NeedsLogin", fails: "invalid key: tskey-bad" });
  expect(await told({ ...wrong.parts, authKey: "tskey-bad" })).toBe(
    "tailscale up failed: invalid key: … | tailscale status; tailscale up",
  );
  const stuck = standIn({ state: "Stopped", afterUp: "Starting" });
  expect(await told({ ...stuck.parts, loginMs: 300 })).toContain("did not come up in time");
});
