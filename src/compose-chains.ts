import { homedir } from "node:os";
import type { LeaderOptions } from "./compose.ts";
import type { Detours } from "./routing/detours.ts";

/** Reads from the catalogue which models answer in the place of which. Not at the start: a first failure comes later. */
export async function loadChains({ config, bundledCatalog }: LeaderOptions, detours: Detours): Promise<void> {
  const [{ openCatalog }, { catalogDirectories }] = await Promise.all([
    import("./catalog/open-catalog.ts"),
    import("./catalog/catalog-directories.ts"),
  ]);
  const places = { configured: config.values.catalog_dir, bundled: bundledCatalog, home: homedir() };
  const { entries } = await openCatalog(catalogDirectories(places)).read();
  detours.setChains(new Map(entries.map(({ id, fallback }) => [id, fallback])));
}
