import type { LinkFailure } from "../../cluster/link.ts";
import { actOnEngine, engineLogs } from "../../cluster/node-operations.ts";
import { wait } from "../../core/wait.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { Principal } from "../../core/principal.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { AdminFailure } from "../../http/admin/deps.ts";
import type { AdminEngines, EngineView } from "../../http/admin/engine-deps.ts";
import { audited } from "../../store/audited.ts";
import type { Store } from "../../store/store.ts";

export interface EngineAdminParts {
  readonly store: Store;
  readonly cluster: Pick<Cluster, "registry" | "link">;
  readonly actorOf: (principal: Principal) => string;
}

/** Longer than any operation's own limit. */
const CALL_LIMIT_MS = 60_000;
const TOLD_WITHIN_MS = 2_000;
const LOOK_MS = 20;

/** What the admin API does with engines, on whatever node they are. */
export function engineAdmin(parts: EngineAdminParts): AdminEngines {
  const { registry, link } = parts.cluster;
  const list = (): EngineView[] =>
    registry
      .list()
      .flatMap(({ id, name, standing, state }) =>
        (state?.engines ?? []).map((engine) => ({ node: id, nodeName: name, lost: standing === "lost", engine })),
      );
  const find = (node: string, id: string): Result<EngineView, AdminFailure> => {
    const found = list().find((view) => is(view, node, id));
    return found === undefined ? err(noEngine(node, id, list())) : ok(found);
  };
  return {
    list,
    async logs(node, id, { lines, after }) {
      const found = find(node, id);
      if (!found.ok) return found;
      const read = await link.call(node, engineLogs(id, lines, after), AbortSignal.timeout(CALL_LIMIT_MS));
      return read.ok ? read : err(toAdminFailure(read.error));
    },
    async act(node, id, action, actor) {
      const found = find(node, id);
      if (!found.ok) return found;
      const before = found.value.engine.state;
      const done = await link.call(node, actOnEngine(id, action), AbortSignal.timeout(CALL_LIMIT_MS));
      if (!done.ok) return err(toAdminFailure(done.error));
      // Not in one transaction with it: a stop takes seconds, and nobody else could write meanwhile.
      await audited(parts.store, { actor: parts.actorOf(actor), action: `engine.${action}` }, () =>
        Promise.resolve(ok({ target: `${node}/${id}`, before: { state: before }, after: { action }, value: null })),
      );
      // The node tells of it a moment later.
      const told = AbortSignal.timeout(action === "stop" ? TOLD_WITHIN_MS : 0);
      const runs = (): boolean => list().some((view) => is(view, node, id) && view.engine.state !== "stopped");
      while (!told.aborted && runs()) await wait(LOOK_MS, told);
      return find(node, id);
    },
  };
}

function is(view: EngineView, node: string, id: string): boolean {
  return view.node === node && view.engine.id === id;
}

export function toAdminFailure({ kind, message, mend }: LinkFailure): AdminFailure {
  const [, what] = /^(?:there is )?no (.+)$/s.exec(message) ?? [];
  if (kind === "unknown_engine" && what !== undefined) return { kind: "not_found", what, mend };
  return { kind: "conflict", message, mend };
}

function noEngine(node: string, id: string, known: readonly EngineView[]): AdminFailure {
  const names = known.map((view) => `${view.node}/${view.engine.id}`).join(", ") || "none";
  return { kind: "not_found", what: `engine ${node}/${id} (there is: ${names})`, mend: "flock engine ls" };
}
