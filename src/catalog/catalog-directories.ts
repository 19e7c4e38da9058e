import { join } from "node:path";

export interface CatalogPlaces {
  /** `catalog_dir`; empty: not set. */
  readonly configured: string;
  /** The one that came with this program: beside the executable, or in the checkout. */
  readonly bundled: string;
  readonly home: string;
}

/**
 * Where the catalogue is looked for, first place first. One that the operator names is the only one: to fall back from
 * it in silence would hide that its name is wrong.
 */
export function catalogDirectories({ configured, bundled, home }: CatalogPlaces): readonly string[] {
  if (configured !== "") return [configured];
  return [bundled, join(home, ".flock/catalog"), "/usr/local/share/flock/catalog", "/usr/share/flock/catalog"];
}
