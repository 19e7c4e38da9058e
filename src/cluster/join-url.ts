import { joinAddress, splitAddress } from "./node-address.ts";

const DEFAULT_CLIENT_PORT = 8080;

/**
 * The URL for `flock join`: people know a leader by its clients' port, so that is the one it names; the node port
 * stands in the token.
 */
export function joinUrl(clientUrl: string, address: string, token: string): string {
  const { protocol, port } = new URL(clientUrl);
  const { host } = splitAddress(address);
  const clientPort = port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
  const where = clientPort === DEFAULT_CLIENT_PORT && !host.includes(":") ? host : joinAddress(host, clientPort);
  return `${protocol}//${where}?token=${token}`;
}

/** Where a machine that joins looks for the leader: the host that was typed, at the port that the token names, comes first. */
export function addressesToTry(host: string, addresses: readonly string[]): string[] {
  const ports = new Set(addresses.map((address) => splitAddress(address).port));
  const typed = host === "" ? [] : [...ports].map((port) => joinAddress(host, port));
  return [...new Set([...typed, ...addresses])];
}
