import type { LeaderControl } from "../../cli/leader-control.ts";
import type { Program } from "./leader-control.ts";
import { leaderOfWorker } from "./leader-of-worker.ts";

/** As `leaderControl`, which is loaded with the first call: most commands only ask the admin API, and end sooner without. */
export function lateControl(program: Program): LeaderControl {
  let loaded: Promise<LeaderControl> | null = null;
  const control = (): Promise<LeaderControl> =>
    (loaded ??= import("./leader-control.ts").then(({ leaderControl }) => leaderControl(program)));
  return {
    membership: {
      of: async (...args) => (await control()).membership.of(...args),
      join: async (...args) => (await control()).membership.join(...args),
      leave: async (...args) => (await control()).membership.leave(...args),
      discover: async (...args) => (await control()).membership.discover(...args),
    },
    asWorker: leaderOfWorker,
    find: async (...args) => (await control()).find(...args),
    run: async (...args) => (await control()).run(...args),
    detach: async (...args) => (await control()).detach(...args),
    stop: async (...args) => (await control()).stop(...args),
    resetAdminKey: async (...args) => (await control()).resetAdminKey(...args),
    storedSettings: async (...args) => (await control()).storedSettings(...args),
    diagnose: async (...args) => (await control()).diagnose(...args),
  };
}
