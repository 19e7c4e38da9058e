import type { Clock } from "../../src/core/clock.ts";
import { MemoryResponseStore } from "../../src/gateway/memory-response-store.ts";
import type { GatewayDeps } from "../../src/gateway/ports.ts";
import { createApp } from "../../src/http/app.ts";
import type { ModelDirectory } from "../../src/routing/model-directory.ts";
import type { ReplicaBoard } from "../../src/routing/replica-board.ts";
import type { Router } from "../../src/routing/router.ts";
import type { Metrics } from "../../src/telemetry/metrics.ts";

export interface GatewayAppParts {
  readonly gateway: GatewayDeps;
  readonly keyless: boolean;
  readonly models: ModelDirectory;
  readonly board: ReplicaBoard;
  readonly router: Router;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** The client APIs over a gateway that a test has put together; without the admin API. */
export function gatewayApp({ gateway, keyless, models, board, router, metrics, clock }: GatewayAppParts) {
  return createApp({
    gateway,
    keyless,
    models: {
      keys: gateway.keys,
      replicas: () => board.state.replicas,
      aliases: (keyId) => models.aliasesOf(keyId),
      startedAt: 0,
    },
    health: {
      health: () => ({ problems: [], warnings: [] }),
      renderMetrics: () => metrics.render(router.queues()),
      keys: gateway.keys,
    },
    responses: new MemoryResponseStore(clock),
    admin: () => Promise.reject(new Error("no admin API in this test")),
  });
}
