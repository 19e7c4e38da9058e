import { parseListen } from "../config/listen.ts";
import type { Config } from "../config/settings.ts";
import type { StartProblem } from "../leader/start-problem.ts";

const NODE_PORT = 8081;

/** Where a machine listens for other nodes. */
export interface NodePlace {
  readonly host: string;
  readonly port: number;
  /** Where that port is taken, one of the next will do. */
  readonly otherPorts: boolean;
}

/** Null: nothing is opened to other machines, because the operator opened nothing to them. */
export function nodePlace(config: Config): NodePlace | null {
  const own = config.cluster.listen;
  const address = parseListen(own === "" ? config.listen : own);
  if (address === null) return null;
  if (own !== "") return { host: address.host, port: address.port, otherPorts: address.port === 0 };
  return address.loopback ? null : { host: address.host, port: NODE_PORT, otherPorts: true };
}

/** Whose port could not be opened. */
export function nodePortProblem(message: string, place: NodePlace | null, program: string): StartProblem {
  const port = place?.port ?? NODE_PORT;
  return { kind: "port_busy", message, mend: `FLOCK_CLUSTER_LISTEN=:${port + 1} ${program} up` };
}
