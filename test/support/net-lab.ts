import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { RelayOrder } from "./relay.ts";
import { temporaryDirectory } from "./start-flock.ts";

/**
 * Machines of their own for tests: network namespaces, joined by veth pairs on a bridge in a namespace too, so that the
 * machine that runs the tests sees none of it.
 *
 *   lead 10.77.0.1 ──┐
 *   near 10.77.0.11 ─┤
 *   desk 10.77.0.30 ─┤ hub (bridge)                              (the clients' machine)
 *   nat  10.77.0.20 ─┤
 *     └ 192.168.77.1 ── 192.168.77.2 far    (behind MASQUERADE: it can call out, nobody can call in)
 *   hop  10.77.0.40 ─┘
 *     └ 192.168.78.1 ── 192.168.78.2 wide   (no packets go through: a relay there passes connections on, each way later)
 */
export interface NetLab extends AsyncDisposable {
  /** What runs a program there. */
  prefix(place: Place): string[];
  /** Takes the cable out, or puts it back. */
  cable(place: OnHub, plugged: boolean): Promise<void>;
  /** Bits a second on the way out of a place to the hub; null: as fast as it goes. */
  rate(place: OnHub | "far", bits: string | null): Promise<void>;
  /** Share of the packets that are lost on their way in from the hub. */
  loss(place: OnHub | "far", share: number): Promise<void>;
  /** Path of a Unix socket through which a test gets at this address as if it ran at that place. */
  wayFrom(place: Place, host: string, port: number): Promise<string>;
}

type OnHub = "lead" | "near" | "desk" | "nat" | "hop";
export type Place = OnHub | "far" | "wide";

const PLACES: readonly (Place | "hub")[] = ["hub", "lead", "near", "desk", "nat", "hop", "far", "wide"];
const ON_HUB: Readonly<Record<OnHub, string>> = {
  lead: "10.77.0.1",
  near: "10.77.0.11",
  desk: "10.77.0.30",
  nat: "10.77.0.20",
  hop: "10.77.0.40",
};
export const LEAD = ON_HUB.lead;
export const NEAR = ON_HUB.near;
/** Where `wide` finds the leader's node port. */
export const HOP = "192.168.78.1";
const HOP_DELAY_MS = 80;
const NODE_PORT = 8081;
/** Least, usual and most bytes that a TCP socket holds: small, so that who does not read is felt at the other end. */
const SOCKET_BYTES = "4096 65536 131072";

/** Why there can be no lab here; null: there can. */
export async function whyNoLab(): Promise<string | null> {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  for (const tool of ["ip", "iptables", "tc"]) if (Bun.which(tool) === null) return `${tool} is not installed`;
  const name = `flkprobe${randomBytes(3).toString("hex")}`;
  const made = await attempt(["ip", "netns", "add", name]);
  if (made !== null) return `network namespaces are refused here: ${made}`;
  const filters = await attempt(["ip", "netns", "exec", name, "iptables", "-t", "nat", "-L", "-n"]);
  await attempt(["ip", "netns", "del", name]);
  return filters === null ? null : `address translation is refused here: ${filters}`;
}

export async function openNetLab(): Promise<NetLab> {
  const id = randomBytes(2).toString("hex");
  const ns = (place: Place | "hub"): string => `flk${id}${place}`;
  const inside = (place: Place | "hub", ...command: string[]): string[] =>
    ["ip", "netns", "exec", ns(place)].concat(command);
  const ip = (place: Place | "hub", ...words: string[]): Promise<void> => must(["ip", "-n", ns(place), ...words]);
  for (const place of PLACES) {
    await must(["ip", "netns", "add", ns(place)]);
    await ip(place, "link", "set", "lo", "up");
    if (place === "hub") continue;
    for (const side of ["rmem", "wmem"])
      await must(inside(place, "sysctl", "-qw", `net.ipv4.tcp_${side}=${SOCKET_BYTES}`));
  }
  await ip("hub", "link", "add", "br0", "type", "bridge");
  await ip("hub", "link", "set", "br0", "up");
  for (const [place, address] of Object.entries(ON_HUB) as [OnHub, string][]) {
    await ip("hub", "link", "add", place, "type", "veth", "peer", "name", "eth0", "netns", ns(place));
    await ip("hub", "link", "set", place, "master", "br0", "up");
    await ip(place, "addr", "add", `${address}/24`, "dev", "eth0");
    await ip(place, "link", "set", "eth0", "up");
  }
  const behind = async (place: "far" | "wide", router: "nat" | "hop", net: string): Promise<void> => {
    await ip(router, "link", "add", "inner", "type", "veth", "peer", "name", "eth0", "netns", ns(place));
    await ip(router, "addr", "add", `${net}.1/24`, "dev", "inner");
    await ip(router, "link", "set", "inner", "up");
    await ip(place, "addr", "add", `${net}.2/24`, "dev", "eth0");
    await ip(place, "link", "set", "eth0", "up");
  };
  await behind("far", "nat", "192.168.77");
  await ip("far", "route", "add", "default", "via", "192.168.77.1");
  await behind("wide", "hop", "192.168.78");
  await must(inside("nat", "sysctl", "-qw", "net.ipv4.ip_forward=1"));
  await must(inside("nat", "iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "eth0", "-j", "MASQUERADE"));
  const ways = temporaryDirectory();
  const relays: Bun.Subprocess[] = [];
  const relay = async (place: Place, order: RelayOrder): Promise<void> => {
    const command = [process.execPath, join(import.meta.dir, "relay.ts"), JSON.stringify(order)];
    const child = Bun.spawn([...inside(place), ...command], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    relays.push(child);
    await child.stdout.getReader().read();
  };
  await relay("hop", {
    from: { host: HOP, port: NODE_PORT },
    to: { host: LEAD, port: NODE_PORT },
    delayMs: HOP_DELAY_MS,
  });
  return {
    prefix: (place) => inside(place),
    cable: (place, plugged) => ip("hub", "link", "set", place, plugged ? "up" : "down"),
    async rate(place, bits) {
      await attempt(inside(place, "tc", "qdisc", "del", "dev", "eth0", "root"));
      if (bits === null) return;
      const shape = ["tbf", "rate", bits, "burst", "16kbit", "latency", "500ms"];
      await must(inside(place, "tc", "qdisc", "add", "dev", "eth0", "root", ...shape));
    },
    async loss(place, share) {
      await must(inside(place, "iptables", "-F", "INPUT"));
      if (share === 0) return;
      const chance = ["-m", "statistic", "--mode", "random", "--probability", String(share)];
      await must(inside(place, "iptables", "-A", "INPUT", "-i", "eth0", ...chance, "-j", "DROP"));
    },
    async wayFrom(place, host, port) {
      const path = join(ways, `${place}-${host}-${port}`);
      await relay(place, { from: { path }, to: { host, port }, delayMs: 0 });
      return path;
    },
    async [Symbol.asyncDispose]() {
      for (const child of relays) child.kill("SIGKILL");
      await Promise.all(relays.map(({ exited }) => exited));
      for (const place of PLACES) await attempt(["ip", "netns", "del", ns(place)]);
      rmSync(ways, { recursive: true, force: true });
    },
  };
}

async function must(command: readonly string[]): Promise<void> {
  const problem = await attempt(command);
  if (problem !== null) throw new Error(`${command.join(" ")}: ${problem}`);
}

async function attempt(command: readonly string[]): Promise<string | null> {
  const run = Bun.spawn([...command], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const [said, code] = await Promise.all([new Response(run.stderr).text(), run.exited]);
  return code === 0 ? null : said.trim() || `exit code ${code}`;
}
