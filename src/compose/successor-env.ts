import { z } from "zod";
import { askLeader } from "../leader/control-client.ts";
import { ENGINE_ENV } from "./engine-env.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What a leader tells of its own environment to whoever starts its successor. Holds secrets. */
const inherited = z.object({
  /** Settings that came by variables or flags, as variables. */
  settings: z.record(z.string(), z.string()),
  engine: z.record(z.string(), z.string()),
});
export type Inherited = z.infer<typeof inherited>;

/**
 * The environment of a successor: settings and engines' variables as the leader of the directory has them, so that a
 * restart typed in another shell neither moves it nor restarts its engines. A setting that this shell has too, be it
 * empty, is this shell's. An earlier version tells nothing: then this shell's counts.
 */
export async function successorEnv(own: Environment, dataDir: string, signal: AbortSignal): Promise<Environment> {
  const told = inherited.safeParse(await askLeader(dataDir, "GET", "/v1/environment", signal));
  if (!told.success) return own;
  const others = Object.entries(own).filter(([name]) => !ENGINE_ENV.test(name));
  return { ...told.data.settings, ...Object.fromEntries(others), ...told.data.engine, FLOCK_DATA_DIR: dataDir };
}
