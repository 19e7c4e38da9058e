import { homedir } from "node:os";
import type { Catalog } from "../catalog/open-catalog.ts";
import type { Config } from "../config/settings.ts";

/** The catalogue by the settings. What reads it, schemas among it, is loaded with the first call: few starts need it. */
export async function openCatalogOf(config: Config, bundled: string): Promise<Catalog> {
  const [{ openCatalog }, { catalogDirectories }] = await Promise.all([
    import("../catalog/open-catalog.ts"),
    import("../catalog/catalog-directories.ts"),
  ]);
  return openCatalog(catalogDirectories({ configured: config.catalog_dir, bundled, home: homedir() }));
}
