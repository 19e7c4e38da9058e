export interface ListenAddress {
  /** Empty: every interface. IPv6 addresses stand here without brackets. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** True when no other machine can reach it. */
  readonly loopback: boolean;
}

/** Reads `:8080`, `8080`, `127.0.0.1:8080`, `localhost:8080` and `[::1]:8080`; null for anything else. */
export function parseListen(text: string): ListenAddress | null {
  const match = /^(?:(?<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]*):)?(?<port>\d{1,5})$/.exec(text.trim());
  const groups = match?.groups;
  if (!groups) return null;
  const port = Number(groups["port"]);
  const written = groups["host"] ?? "";
  if (port > 65_535 || (written !== "" && !URL.canParse(`http://${written}/`))) return null;
  const host = written.replace(/^\[|\]$/g, "");
  return { host, port, loopback: isLoopback(host) };
}

/** The URL under which this machine reaches what listens there. */
export function localUrl(address: ListenAddress, scheme: "http" | "https" = "http"): string {
  const everywhere = ["", "0.0.0.0", "::"].includes(address.host);
  const host = everywhere ? "127.0.0.1" : address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${scheme}://${host}:${address.port}`;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
