import { joinAddress, splitAddress } from "./node-address.ts";

const DEFAULT_CLIENT_PORT = 8080;

/** What `flock join` is given: where the leader may be, and the token, where it was written along. */
export interface JoinTarget {
  readonly host: string;
  readonly token: string | null;
}

/** `host`, `host:port`, or a URL, with `?token=…` or without. Null: none of these. */
export function parseJoinTarget(text: string): JoinTarget | null {
  const whole = /^https?:\/\//i.test(text) ? text : `http://${text}`;
  if (text.trim() === "" || !URL.canParse(whole)) return null;
  const url = new URL(whole);
  if (url.username !== "" || url.password !== "") return null;
  return { host: url.hostname.replace(/^\[|\]$/g, ""), token: url.searchParams.get("token") };
}

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
export function addressesToTry(target: JoinTarget, addresses: readonly string[]): string[] {
  const ports = new Set(addresses.map((address) => splitAddress(address).port));
  const typed = target.host === "" ? [] : [...ports].map((port) => joinAddress(target.host, port));
  return [...new Set([...typed, ...addresses])];
}
