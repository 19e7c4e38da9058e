import { isSameProcess } from "../cluster/process-identity.ts";
import { adoptChild } from "./child-process.ts";
import type { EngineRecords } from "./engine-record.ts";
import type { SupervisorTimes } from "./supervisor-times.ts";

/** Ends the engines that an earlier agent left running and that this one has no use for (another model, another kind). */
export async function endStrays(
  records: EngineRecords,
  wanted: readonly string[],
  times: SupervisorTimes,
): Promise<void> {
  const strays = records.ids().filter((id) => !wanted.includes(id));
  await Promise.all(
    strays.map(async (id) => {
      const record = records.read(id);
      if (record !== null && record.processStart !== null && isSameProcess(record.pid, record.processStart)) {
        await adoptChild(record.pid, record.processStart, times.adoptedPollMs).terminate(times.stopGraceMs);
      }
      records.remove(id);
    }),
  );
}
