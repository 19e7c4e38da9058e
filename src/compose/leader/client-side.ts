import { join } from "node:path";
import type { AdminSide } from "../admin/admin-side.ts";
import type { Limits } from "./limits.ts";
import type { Shell } from "./leader.ts";
import { LOCAL_NODE } from "../own-agent.ts";
import { healthOf } from "./ready.ts";
import type { Routing } from "./routing.ts";
import type { StartOptions } from "../start-options.ts";
import type { Stored } from "./stored.ts";
import { systemClock } from "../../core/clock.ts";
import { ANONYMOUS } from "../../core/principal.ts";
import { ok } from "../../core/result.ts";
import { MemoryResponseStore } from "../../gateway/memory-response-store.ts";
import { DEFAULT_LIMITS, type EngineLink, type GatewayDeps } from "../../gateway/ports.ts";
import { createApp } from "../../http/app.ts";
import type { Handlers } from "../../leader/listen.ts";
import { DiskResponses } from "../../store/disk-responses.ts";
import type { Metrics } from "../../telemetry/metrics.ts";

export interface ClientSideParts {
  readonly options: StartOptions;
  readonly shell: Pick<Shell, "startedAt" | "stopping" | "takesOver">;
  readonly stored: Stored;
  readonly routing: Routing;
  readonly limits: Limits;
  readonly engines: EngineLink;
  readonly metrics: Metrics;
  readonly admin: () => Promise<AdminSide>;
}

/** What the client port answers. */
export function clientSide(parts: ClientSideParts): Handlers {
  const { options, shell, routing, metrics, admin } = parts;
  const { values } = options.config;
  const { log } = options;
  const { ring, records } = parts.stored;
  const { board, models, router } = routing;
  const keyless = !values.auth.require_keys;
  const gateway: GatewayDeps = {
    keys: { find: (secret, sender) => (keyless ? ok(ANONYMOUS) : ring.find(secret, sender)) },
    models,
    ...parts.limits.gateway,
    replicas: routing.picker,
    detours: routing.detours,
    link: parts.engines,
    usage: records,
    metrics,
    log,
    limits: DEFAULT_LIMITS,
    node: LOCAL_NODE,
  };
  const app = createApp({
    gateway,
    keyless,
    models: {
      keys: gateway.keys,
      replicas: () => board.state.replicas,
      aliases: (keyId) => models.aliasesOf(keyId),
      startedAt: shell.startedAt,
    },
    health: {
      health: () => healthOf({ served: board.state.replicas.length, stopping: shell.stopping(), records }),
      renderMetrics: () => metrics.render(router.queues()),
      keys: gateway.keys,
    },
    responses:
      values.responses.store === "disk"
        ? new DiskResponses({
            dir: join(values.data_dir, "responses"),
            another: shell.takesOver !== null,
            clock: systemClock,
            log,
          })
        : new MemoryResponseStore(systemClock),
    admin,
  });
  return {
    any: (request, connection) => app.fetch(request, connection),
    buffered: (path) => app.buffered(path),
  };
}
