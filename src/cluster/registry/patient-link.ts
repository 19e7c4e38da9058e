import { wait } from "../../core/wait.ts";
import type { Link } from "../link.ts";
import type { NodeRegistry } from "./node-registry.ts";

export interface PatientLinkParts {
  readonly registry: Pick<NodeRegistry, "get">;
  readonly link: Pick<Link, "call">;
  /** How long a node that is alive may be without a connection. */
  readonly patienceMs: number;
}

const AGAIN_MS = 200;

/**
 * For work that takes minutes: a node that is alive and has no connection at the moment (it is heard of before its
 * connections are made, and makes them anew after an interruption) is asked again until it answers, is lost, or the
 * patience ends. Only for operations that may be done twice: a call may have arrived although its answer did not.
 */
export function patientLink({ registry, link, patienceMs }: PatientLinkParts): Pick<Link, "call"> {
  return {
    async call(node, operation, signal) {
      const deadline = performance.now() + patienceMs;
      for (;;) {
        const answer = await link.call(node, operation, signal);
        if (answer.ok || answer.error.kind !== "node_unreachable") return answer;
        const standing = registry.get(node)?.standing ?? "lost";
        if (standing === "lost" || signal.aborted || performance.now() >= deadline) return answer;
        await wait(AGAIN_MS, signal);
      }
    },
  };
}
