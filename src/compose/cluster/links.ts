import { readdirSync, rmSync } from "node:fs";
import { hostname, networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { joinUrl } from "../../cluster/join-url.ts";
import { JoinTokens } from "../../cluster/join-tokens.ts";
import { RegistrationProofs } from "../../cluster/registration-proof.ts";
import { keepLeaderIdentity, openLeaderIdentity } from "../../cluster/leader-identity.ts";
import type { NodeService } from "../../cluster/link.ts";
import type { LocalLink } from "../../cluster/local-link.ts";
import { joinAddress, portOf, splitAddress, usableAddresses } from "../../cluster/node-address.ts";
import type { NodeDirectory, NodeHandlers } from "../../cluster/node-endpoint.ts";
import { isAlive } from "../../cluster/process-identity.ts";
import { newLife } from "../../cluster/signed-call.ts";
import { socketPath } from "../../cluster/socket-path.ts";
import { CallerCheck } from "../../cluster/transport/caller-check.ts";
import { LAN_TIMES } from "../../cluster/transport/lan-watch.ts";
import { leaderEndpoint } from "../../cluster/transport/leader-endpoint.ts";
import { NodeLinks } from "../../cluster/transport/node-links.ts";
import { type NodePort, openNodePort } from "../../cluster/transport/node-port.ts";
import { TUNNEL_WORD } from "../../cluster/transport/tunnel-frames.ts";
import { TUNNEL_TIMES } from "../../cluster/transport/tunnel-pool.ts";
import { tunnelServer } from "../../cluster/transport/tunnel-server.ts";
import { type FollowedMesh, followMesh } from "../mesh.ts";
import { nodePlace, nodePortProblem } from "../node-place.ts";
import { parseListen } from "../../config/listen.ts";
import type { Config } from "../../config/settings.ts";
import { systemClock } from "../../core/clock.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { StartProblem } from "../../leader/start-problem.ts";
import { shellQuote } from "../../core/shell-quote.ts";
import { addJoinToken, spendJoinToken } from "../../store/join-tokens.ts";
import type { Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";

/** A new address of this machine is told to workers within this. */
const INTERFACES_MS = 5_000;

export interface LinksParts {
  readonly store: Store;
  readonly log: Log;
  readonly version: string;
  readonly config: Config;
  readonly localNode: string;
  readonly local: LocalLink;
  /** Base URL for clients. */
  readonly url: string;
  /** How Flock is called from a shell. */
  readonly program: string;
  /** The way to a node opened, closed, or is another one. */
  readonly linkChanged: (node: string) => void;
}

/** A machine may join with it, once and for five minutes. */
export interface JoinInvitation {
  readonly id: string;
  readonly token: string;
  readonly expiresAt: number;
  /** To be typed on the other machine. */
  readonly command: string;
  readonly addresses: readonly string[];
}

/** The leader's side of every link between nodes. */
export interface Links {
  readonly links: NodeLinks;
  /** Lets workers in from now on. */
  readonly open: (handlers: NodeHandlers, directory: NodeDirectory) => Result<void, StartProblem>;
  /** The error is for a person: no other machine can reach this leader. */
  readonly invite: () => Promise<Result<JoinInvitation, { readonly message: string; readonly mend: string }>>;
  /** Where clients on other machines reach this leader, as far as it knows. */
  readonly clientUrl: () => string;
  /** Makes the port free for a successor; what is open goes on. */
  readonly quiet: () => void;
  /** The successor failed. */
  readonly listenAgain: () => void;
  /** The successor, a process of this number, serves: workers shall come to it. */
  readonly release: (successor: number) => void;
  readonly close: () => Promise<void>;
}

export function composeLinks(parts: LinksParts): Result<Links, StartProblem> {
  const { store, config, local, localNode, log } = parts;
  const dataDir = config.data_dir;
  const place = nodePlace(config);
  const client = new URL(parts.url);
  const localPort = (service: NodeService): number | null => {
    const engine = local.state()?.engines.find(({ id }) => service === `engine/${id}`);
    return engine?.endpoint ? Number(new URL(engine.endpoint).port) : null;
  };
  if (place === null) return ok(withoutWorkers(new NodeLinks({ localNode, local, localPort, remote: null }), parts));
  removeStaleSockets(dataDir);
  const opened = openLeaderIdentity(dataDir, systemClock.now());
  if (!opened.ok) return err({ kind: "store", ...opened.error });
  const identity = opened.value;
  const tokens = new JoinTokens(
    identity,
    {
      add: (id, expiresAt) => store.write((tx) => addJoinToken(tx, id, expiresAt, systemClock.now())),
      spend: (id, now) => store.write((tx) => spendJoinToken(tx, id, now)),
    },
    systemClock,
  );
  const remote = {
    identity,
    clock: systemClock,
    newLife,
    tunnelSocket: (node: string) => tunnelSocket(dataDir, node, process.pid),
    times: { tunnel: TUNNEL_TIMES, lan: LAN_TIMES },
    onChange: (node: string) => parts.linkChanged(node),
  };
  const links = new NodeLinks({
    localNode,
    local,
    localPort,
    remote,
  });
  let port: NodePort | null = null;
  let mesh: FollowedMesh | null = null;
  let announcing: Promise<{ stop(): void }> | null = null;
  let interfaces = { atMs: Number.NEGATIVE_INFINITY, of: {} as ReturnType<typeof networkInterfaces> };
  const addresses = (): string[] => {
    if (port === null) return [];
    const now = performance.now();
    // Asked for with every heartbeat of every worker, and slow: the kernel is asked once in a while.
    if (now - interfaces.atMs > INTERFACES_MS) interfaces = { atMs: now, of: networkInterfaces() };
    const { port: nodePort } = port;
    const inMesh = mesh?.addresses(place.host, nodePort) ?? [];
    const usable = usableAddresses(place.host, nodePort, interfaces.of);
    // Behind an address translation only the operator knows how others get here.
    const named = config.external_url === "" ? [] : [joinAddress(new URL(config.external_url).hostname, port.port)];
    return [...new Set([...inMesh, ...usable, ...named])];
  };
  return ok({
    links,
    open(handlers, directory) {
      const callers = new CallerCheck({
        directory,
        linkPrivateKey: identity.linkPrivateKey,
        clock: systemClock,
        audience: newLife(),
        rotated: (node) => handlers.rotated(node),
        skewed: (node, why) => handlers.skewed(node, why),
      });
      const listening = openNodePort({
        // Workers know the port that it had: it is asked for first.
        listen: place.otherPorts ? { ...place, port: identity.nodePort || place.port } : place,
        tls: { certificate: identity.certificate, key: identity.certificateKey, client: null },
        socket: socketIn(dataDir, `nodes-${process.pid}`),
        fetch: leaderEndpoint({
          identity,
          version: parts.version,
          clock: systemClock,
          tokens,
          proofs: new RegistrationProofs(identity, systemClock),
          callers,
          handlers,
          addresses,
          reportBug: (cause) => log.error("a worker's call failed", { cause }),
        }),
        lines: {
          [TUNNEL_WORD]: tunnelServer({
            callers,
            poolOf: (node) => links.poolOf(node),
            heard: (node, audience) => links.heard(node, audience),
            log: (message, fields) => log.warn(message, fields),
          }),
        },
      });
      if (!listening.ok) {
        const message = `the port for other nodes cannot be opened: ${listening.error}`;
        return err(nodePortProblem(message, place, parts.program));
      }
      port = listening.value;
      // Logging in may take a while; nodes on the plain network need not wait for it. Workers hear of addresses as they beat.
      mesh = followMesh(config, log, () => undefined);
      if (config.cluster.discovery && !isLoopback(place.host)) {
        const scheme = client.protocol === "https:" ? "https" : "http";
        const about = { name: hostname(), port: portOf(client), scheme, version: parts.version } as const;
        announcing = import("../../cluster/discovery/announce-leader.ts").then(({ announceLeader }) =>
          announceLeader(about),
        );
      }
      if (port.port !== identity.nodePort) keepLeaderIdentity(dataDir, { ...identity, nodePort: port.port });
      return ok(undefined);
    },
    async invite() {
      const [first] = addresses();
      if (first === undefined)
        return err(unreachable("this machine has no address that another one could reach", parts));
      const issued = await tokens.issue(addresses());
      const command = `${parts.program} join ${shellQuote(joinUrl(parts.url, first, issued.token))}`;
      return ok({ ...issued, command, addresses: addresses() });
    },
    clientUrl() {
      const [first] = addresses();
      if (config.external_url !== "" || first === undefined) return config.external_url || parts.url;
      return `${client.protocol}//${joinAddress(splitAddress(first).host, portOf(client))}`;
    },
    quiet: () => port?.quiet(),
    listenAgain() {
      const again = port?.listenAgain();
      if (again?.ok === false) log.error("workers cannot reach this leader", { cause: again.error });
    },
    release(successor) {
      port?.release();
      links.release((node) => tunnelSocket(dataDir, node, successor));
    },
    async close() {
      mesh?.stop();
      (await announcing)?.stop();
      links.close();
      await port?.close();
    },
  });
}

function withoutWorkers(links: NodeLinks, parts: LinksParts): Links {
  const why = `Flock listens on ${parts.config.listen} only, where no other machine can reach it`;
  return {
    links,
    open: () => ok(undefined),
    invite: () => Promise.resolve(err(unreachable(why, parts))),
    clientUrl: () => parts.config.external_url || parts.url,
    quiet: () => undefined,
    listenAgain: () => undefined,
    release: () => undefined,
    close: () => Promise.resolve(links.close()),
  };
}

function unreachable(message: string, { program }: LinksParts): { readonly message: string; readonly mend: string } {
  return { message, mend: `FLOCK_LISTEN=:8080 ${program} up   # or, for the nodes alone: FLOCK_CLUSTER_LISTEN=:8081` };
}

/** Where exchanges with a node come in that has dialled the leader of this process. */
function tunnelSocket(dataDir: string, node: string, pid: number): string {
  return socketIn(dataDir, `node-${node}-${pid}`);
}

/**
 * Sockets bear the number of their process, since a leader and its successor live side by side for a while and a socket's
 * file goes with whoever closes it. Those of a leader that was killed stay behind.
 */
function removeStaleSockets(dataDir: string): void {
  for (const name of readdirSync(dataDir)) {
    const pid = /^node(?:s|-.+)-(\d+)\.sock$/.exec(name)?.[1];
    if (pid !== undefined && Number(pid) !== process.pid && !isAlive(Number(pid))) rmSync(join(dataDir, name));
  }
}

function isLoopback(host: string): boolean {
  return parseListen(`${host.includes(":") ? `[${host}]` : host}:0`)?.loopback === true;
}

/** A data directory whose path is too long for a socket has been refused before. */
function socketIn(dataDir: string, name: string): string {
  const path = socketPath({ dataDir, name, temporaryDir: tmpdir(), uid: process.getuid?.() ?? 0 });
  return path.ok ? path.value : join(dataDir, `${name}.sock`);
}
