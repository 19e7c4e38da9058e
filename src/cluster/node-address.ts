import type { networkInterfaces } from "node:os";

/** Networks that lead to containers and virtual machines of the machine itself, never to another one. */
const INWARD = /^(docker|br-|veth|virbr|cni|flannel|lxc|podman|vmnet|bridge)/;

/** `host:port`, an IPv6 address in brackets. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(address.slice(at + 1)) };
}

export function joinAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `URL` says nothing of the port where it is its scheme's usual one. */
export function portOf({ protocol, port }: URL): number {
  return port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
}

/** Is a port that listens on `host` there for callers of this machine's address in the mesh? */
export function listensAt(host: string, address: string): boolean {
  return ["", "0.0.0.0", "::", address].includes(host);
}

/**
 * Where other machines may reach a port of this one, the likeliest first: private networks, then other IPv4, then IPv6.
 * `host`: what it listens on, "" for everything. Addresses of one link alone (fe80::) are of no use to others.
 */
export function usableAddresses(
  host: string,
  port: number,
  interfaces: ReturnType<typeof networkInterfaces>,
): string[] {
  if (!["", "0.0.0.0", "::"].includes(host)) return [joinAddress(host, port)];
  const found = Object.entries(interfaces)
    .filter(([name]) => !INWARD.test(name))
    .flatMap(([, addresses]) => addresses ?? [])
    .filter(({ internal, address, family }) => !internal && (family === "IPv4" || !/^fe[89ab]/i.test(address)));
  return found
    .map(({ address }) => address)
    .sort((a, b) => rank(a) - rank(b))
    .map((address) => joinAddress(address, port));
}

function rank(address: string): number {
  if (address.includes(":")) return /^f[cd]/i.test(address) ? 3 : 4;
  if (/^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(address)) return 0;
  // Carrier-grade NAT, which is where Tailscale's addresses are.
  return /^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./.test(address) ? 1 : 2;
}
