import { adaptEngine } from "../../cluster/node-operations.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { toAdminFailure } from "./engines.ts";
import type { Principal } from "../../core/principal.ts";
import type { Replica } from "../../core/replica.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { AdapterView, AdminAdapters } from "../../http/admin/adapter-deps.ts";
import type { AdminFailure } from "../../http/admin/deps.ts";
import { audited } from "../../store/audited.ts";
import type { Store } from "../../store/store.ts";

export interface AdapterAdminParts {
  readonly store: Store;
  readonly cluster: Pick<Cluster, "registry" | "link">;
  readonly actorOf: (principal: Principal) => string;
}

const CALL_LIMIT_MS = 150_000;

/** What the admin API does with LoRA adapters, wherever their models are served. */
export function adapterAdmin({ store, cluster, actorOf }: AdapterAdminParts): AdminAdapters {
  const { registry, link } = cluster;
  const replicas = (): readonly Replica[] => registry.list().flatMap(({ state }) => state?.replicas ?? []);
  const note = async (actor: Principal, action: string, target: string, before: unknown, after: unknown) => {
    await audited(store, { actor: actorOf(actor), action }, () =>
      Promise.resolve(ok({ target, before, after, value: null })),
    );
  };
  /** One that a vLLM refused when it came back: its agent goes on trying until it is told to stop. */
  const notThere = (model: string): AdapterView[] =>
    registry
      .list()
      .flatMap(({ id: node, state }) => (state?.engines ?? []).map((engine) => ({ node, engine })))
      .filter(({ engine: { kind, managed } }) => kind === "vllm" && !managed)
      .map(({ node, engine }) => ({ model, parent: "", node, engine: engine.id }));
  return {
    list: () => replicas().flatMap(toView),
    async add({ model, adapter, node }, actor) {
      const wanted = model.toLowerCase();
      const serving = replicas().filter((one) => one.model === wanted && (node === null || one.node === node));
      if (serving.length === 0) {
        const where = node === null ? "" : ` on node ${node}`;
        return err({ kind: "not_found", what: `model ${model}${where}`, mend: "flock model ls" });
      }
      const taking = serving.filter(({ engine, parent }) => TAKE.has(engine) && parent === undefined);
      if (taking.length === 0) return err(refusal(model, serving));
      const added: AdapterView[] = [];
      for (const one of taking) {
        const done = await link.call(one.node, adaptEngine(one.engineId, { add: adapter }), limit());
        if (!done.ok) return err(toAdminFailure(done.error));
        const view = { model: done.value.model, parent: one.model, node: one.node, engine: one.engineId };
        await note(actor, "adapter.add", `${one.node}/${one.engineId}`, null, { ...view, adapter });
        added.push(view);
      }
      return ok(added);
    },
    async remove(model, actor): Promise<Result<readonly AdapterView[], AdminFailure>> {
      const wanted = model.toLowerCase();
      const found = replicas()
        .flatMap(toView)
        .filter((view) => view.model === wanted);
      const removed: AdapterView[] = [];
      for (const view of found.length > 0 ? found : notThere(wanted)) {
        const done = await link.call(view.node, adaptEngine(view.engine, { remove: wanted }), limit());
        if (!done.ok && found.length === 0) continue;
        if (!done.ok) return err(toAdminFailure(done.error));
        await note(actor, "adapter.remove", `${view.node}/${view.engine}`, view, null);
        removed.push(view);
      }
      if (removed.length > 0) return ok(removed);
      return err({ kind: "not_found", what: `adapter ${model}`, mend: "flock model adapter ls" });
    },
  };
}

const TAKE: ReadonlySet<Replica["engine"]> = new Set(["vllm", "llamacpp"]);

function toView({ model, parent, node, engineId }: Replica): AdapterView[] {
  return parent === undefined ? [] : [{ model, parent, node, engine: engineId }];
}

function refusal(model: string, serving: readonly Replica[]): AdminFailure {
  const kinds = [...new Set(serving.map(({ engine }) => engine))].join(", ");
  const message = `${model} is served by ${kinds}; LoRA adapters are for vLLM and llama-server`;
  return { kind: "conflict", message, mend: "FLOCK_ENGINE=llamacpp flock up" };
}

function limit(): AbortSignal {
  return AbortSignal.timeout(CALL_LIMIT_MS);
}
