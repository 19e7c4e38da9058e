import { z } from "zod";
import { lastUsageDay, nextUsageDay } from "../store/rebuild-rollups.ts";
import { DAY_MS } from "../store/rollups.ts";
import type { Sql } from "../store/store.ts";
import { defineJob, type JobKind } from "./job-kind.ts";

export const REBUILD_ROLLUPS = "usage.rebuild-rollups";

/** Rebuilds one UTC day, away from the gateway's thread. */
export interface DayRebuilder {
  rebuildDay(day: number, signal: AbortSignal): Promise<void>;
}

const checkpointSchema = z.strictObject({ nextDay: z.number() });

/**
 * Rebuilds the hourly and daily rollups from the rows of `usage`, day by day. Days without rows are left alone: their
 * rollups may be all that is left of them. Usage goes on being settled meanwhile.
 */
export function rebuildRollups(sql: Sql, days: DayRebuilder): JobKind {
  return defineJob({
    kind: REBUILD_ROLLUPS,
    schema: z.strictObject({}),
    async run({ resumeFrom, signal, progress, checkpoint }) {
      const first = await nextUsageDay(sql, 0);
      const last = await lastUsageDay(sql);
      if (first === null || last === null) {
        progress(0, 0, "there is no usage to add up");
        return;
      }
      const total = (last - first) / DAY_MS + 1;
      const resumed = resumeFrom === null ? first : checkpointSchema.parse(resumeFrom).nextDay;
      let day = await nextUsageDay(sql, resumed);
      while (day !== null && day <= last) {
        signal.throwIfAborted();
        const date = new Date(day).toISOString().slice(0, 10);
        await days.rebuildDay(day, signal);
        progress((day - first) / DAY_MS + 1, total, `rebuilt ${date}`);
        await checkpoint({ nextDay: day + DAY_MS });
        day = await nextUsageDay(sql, day + DAY_MS);
      }
    },
  });
}
