import { randomBytes } from "node:crypto";

/**
 * Machines of their own for tests: network namespaces, joined by veth pairs on a bridge in a namespace too, so that the
 * machine that runs the tests sees none of it.
 *
 *   lead 10.77.0.1 ──┐
 *   near 10.77.0.11 ─┤ hub (bridge)
 *   nat  10.77.0.20 ─┘
 *        192.168.77.1 ── far 192.168.77.2   (behind MASQUERADE: it can call out, nobody can call in)
 */
export interface NetLab extends AsyncDisposable {
  /** What runs a program there. */
  prefix(place: Place): string[];
  /** Takes the cable out, or puts it back. */
  cable(place: "near" | "nat", plugged: boolean): Promise<void>;
  /** Bits a second on the way out of a place; null: as fast as it goes. */
  rate(place: Place, bits: string | null): Promise<void>;
  /** Share of the packets that are lost on their way in. */
  loss(place: Place, share: number): Promise<void>;
}

export type Place = "lead" | "near" | "nat" | "far";

export const LEAD = "10.77.0.1";
export const NEAR = "10.77.0.11";

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
  const inside = (place: Place | "hub", ...command: string[]): string[] => [
    "ip",
    "netns",
    "exec",
    ns(place),
    ...command,
  ];
  const places = ["hub", "lead", "near", "nat", "far"] as const;
  for (const place of places) {
    await must(["ip", "netns", "add", ns(place)]);
    await must(inside(place, "ip", "link", "set", "lo", "up"));
  }
  await must(inside("hub", "ip", "link", "add", "br0", "type", "bridge"));
  await must(inside("hub", "ip", "link", "set", "br0", "up"));
  const onHub = async (place: "lead" | "near" | "nat", address: string): Promise<void> => {
    await must(inside("hub", "ip", "link", "add", place, "type", "veth", "peer", "name", "eth0", "netns", ns(place)));
    await must(inside("hub", "ip", "link", "set", place, "master", "br0", "up"));
    await must(inside(place, "ip", "addr", "add", `${address}/24`, "dev", "eth0"));
    await must(inside(place, "ip", "link", "set", "eth0", "up"));
  };
  await onHub("lead", LEAD);
  await onHub("near", NEAR);
  await onHub("nat", "10.77.0.20");
  await must(inside("nat", "ip", "link", "add", "inner", "type", "veth", "peer", "name", "eth0", "netns", ns("far")));
  await must(inside("nat", "ip", "addr", "add", "192.168.77.1/24", "dev", "inner"));
  await must(inside("nat", "ip", "link", "set", "inner", "up"));
  await must(inside("far", "ip", "addr", "add", "192.168.77.2/24", "dev", "eth0"));
  await must(inside("far", "ip", "link", "set", "eth0", "up"));
  await must(inside("far", "ip", "route", "add", "default", "via", "192.168.77.1"));
  await must(inside("nat", "sysctl", "-qw", "net.ipv4.ip_forward=1"));
  await must(inside("nat", "iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "eth0", "-j", "MASQUERADE"));
  return {
    prefix: (place) => inside(place),
    cable: (place, plugged) => must(inside("hub", "ip", "link", "set", place, plugged ? "up" : "down")),
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
    async [Symbol.asyncDispose]() {
      for (const place of places) await attempt(["ip", "netns", "del", ns(place)]);
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
