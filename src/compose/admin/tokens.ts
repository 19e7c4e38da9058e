import type { Followed } from "../leader/follow-store.ts";
import { utcDayStart } from "../../core/clock.ts";
import type { Principal } from "../../core/principal.ts";
import { ok, type Result } from "../../core/result.ts";
import type { AdminDeps, KeyView } from "../../http/admin/deps.ts";
import type { KeyRecord } from "../../store/keys.ts";
import { usedTokensOfDay } from "../../store/rollups.ts";
import type { Settler } from "../../store/settler.ts";
import { editToken } from "../../tenancy/edit-token.ts";
import type { TokenProblem } from "../../tenancy/token-problem.ts";
import { createToken, listTokens, revokeToken, type TokenDeps, type TokenView } from "../../tenancy/tokens.ts";

/** A database that is away must not hang a list. */
const SETTLE_MS = 2000;

/** Where a key without a quota is not counted, and one that gets a quota must start with what it has used. */
export interface QuotaStart {
  startFrom(keyId: string, usedTokens: number): void;
}

/** Keys as the admin API shows them: with what they have used today. */
export function tokenAdmin(
  deps: TokenDeps & { readonly settler: Settler; readonly followed: Followed; readonly quotas: QuotaStart },
): AdminDeps["tokens"] {
  const { store, settler, followed, quotas } = deps;
  const used = async (keyId?: string): Promise<Map<string, number>> => {
    await settler.settled(AbortSignal.timeout(SETTLE_MS)).catch(() => undefined);
    return usedTokensOfDay(store.sql, utcDayStart(store.clock.now()), keyId);
  };
  const withUse = (view: TokenView, today: ReadonlyMap<string, number>): KeyView => ({
    ...view,
    usedToday: today.get(view.id) ?? 0,
  });
  const beforePut = async (before: KeyRecord, after: KeyRecord): Promise<void> => {
    if (before.limits.dailyTokens > 0 || after.limits.dailyTokens === 0) return;
    quotas.startFrom(after.id, (await used(after.id)).get(after.id) ?? 0);
  };
  const shown = async (changed: Result<TokenView, TokenProblem>): Promise<Result<KeyView, TokenProblem>> => {
    if (!changed.ok) return changed;
    await followed.refresh();
    return ok(withUse(changed.value, await used(changed.value.id)));
  };
  return {
    async list() {
      const [views, today] = await Promise.all([listTokens(store), used()]);
      return views.map((view) => withUse(view, today));
    },
    async create({ name, ...rest }, actor) {
      const created = await createToken(deps, { ...rest, ...(name === undefined ? {} : { name }) }, actorOf(actor));
      if (!created.ok) return created;
      await followed.refresh();
      return ok({ secret: created.value.secret, key: { ...created.value.key, usedToday: 0 } });
    },
    edit: async (id, changes, actor) => shown(await editToken({ ...deps, beforePut }, id, changes, actorOf(actor))),
    revoke: async (id, actor) => shown(await revokeToken(deps, id, actorOf(actor))),
  };
}

function actorOf(principal: Principal): string {
  return principal.keyName;
}
