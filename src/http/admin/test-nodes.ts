import { err, ok, type Result } from "../../core/result.ts";
import type { AdminFailure, JobView } from "./deps.ts";
import type { AdminNodes, NodeView } from "./node-view.ts";

/** For tests only: a cluster of one machine, `n_1`. */
export function testNodes(): AdminNodes {
  const find = (id: string): Result<NodeView, AdminFailure> =>
    id === "n_1" ? ok(A_NODE) : err({ kind: "not_found", what: `node ${id}`, mend: "flock node ls" });
  return {
    invite: async () =>
      ok({
        id: "j_1",
        token: "t.o.k",
        expiresAt: 5,
        command: "flock join 'http://10.0.0.1?token=t.o.k'",
        addresses: [],
      }),
    list: async () => [A_NODE],
    async show(id) {
      const node = find(id);
      return node.ok ? ok({ node: node.value, events: [], logs: [], requests: [], load: null }) : node;
    },
    async drain(id) {
      const node = find(id);
      if (!node.ok) return node;
      return ok({ node: { ...node.value, standing: "draining" }, job: jobOf("node.drain") });
    },
    async moveModel({ model, to }) {
      const node = find(to);
      if (!node.ok) return node;
      return model === "a" ? ok(jobOf("model.move")) : err({ kind: "unknown_model", model, nearest: ["a"] });
    },
    undrain: async (id) => find(id),
    remove: async (id) => find(id),
  };
}

function jobOf(kind: string): JobView {
  return {
    id: "job_9",
    kind,
    state: "queued",
    actor: "admin",
    attempt: 0,
    createdAt: 1,
    startedAt: null,
    finishedAt: null,
    progress: null,
    error: null,
  };
}

const A_NODE: NodeView = {
  id: "n_1",
  name: "gpu-tower",
  role: "worker",
  standing: "ready",
  link: "lan",
  addresses: ["10.0.0.7:8443"],
  epoch: 3,
  version: "0.1.0",
  joinedAt: 1,
  lastSeenAt: 2,
  drainedAt: null,
  inventory: null,
  engines: [
    {
      id: "embedded",
      kind: "embedded",
      managed: true,
      state: "ready",
      endpoint: "http://127.0.0.1:1",
      secret: "engine-secret-that-stays-here",
      pid: 1,
      restarts: 0,
      problem: null,
      start: "flock up",
      models: ["a"],
      epoch: 1,
    },
  ],
  models: [{ id: "a", engine: "embedded", contextTokens: 2048, slots: 2, busy: 1, smokeTest: false }],
  utilisation: { cpu: 0.5, gpu: null },
  problems: [],
};
