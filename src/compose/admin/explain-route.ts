import { err, ok } from "../../core/result.ts";
import type { AdminDeps } from "../../http/admin/deps.ts";
import type { Detours } from "../../routing/detours.ts";
import type { ModelDirectory } from "../../routing/model-directory.ts";
import type { Router } from "../../routing/router.ts";
import { findKey } from "../../store/keys.ts";
import type { Store } from "../../store/store.ts";

export interface RouteParts {
  readonly store: Store;
  readonly models: ModelDirectory;
  readonly router: Router;
  readonly detours: Detours;
}

const EMPTY = new Uint8Array();

/** What would become of a request now, for the admin API. */
export function routeAdmin({ store, models, router, detours }: RouteParts): Pick<AdminDeps, "explainRoute"> {
  return {
    async explainRoute({ name, key, session, promptTokens, tools, images }) {
      const owner = key === null ? null : await findKey(store.sql, key);
      if (key !== null && owner === null) return err({ kind: "not_found", what: `key ${key}`, mend: "flock token ls" });
      const keyId = owner?.id ?? "";
      const wants = { tools: () => tools, images: () => images, promptTokens: () => promptTokens };
      const resolved = models.resolve(name, { chat: false, embeddings: false }, keyId, wants);
      if (!resolved.ok) return resolved;
      const { model, reason } = resolved.value;
      const { waiting, replicas } = router.explain({
        requestId: "",
        model,
        keyId,
        batch: owner?.priority === "batch",
        promptTokens,
        maxOutputTokens: null,
        patient: false,
        conversation: () => ({ session: session === "" ? "" : `${keyId} ${session}`, prompt: EMPTY }),
        hasImages: () => images,
        queued: () => undefined,
      });
      const asked = new Set([model]);
      const fallbacks: string[] = [];
      for (;;) {
        const next = detours.next(model, asked, {
          fits: ({ abilities, contextTokens }) =>
            contextTokens >= promptTokens && (abilities.tools || !tools) && (abilities.images || !images),
        });
        if (next === null) break;
        asked.add(next);
        fallbacks.push(next);
      }
      return ok({ name, model, how: reason, waiting, fallbacks, replicas });
    },
  };
}
