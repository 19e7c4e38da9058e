import { homedir } from "node:os";
import { adminDeps, type AdminParts } from "./admin.ts";
import type { SubApp } from "../http/app.ts";

/** The admin API and the dashboard's page. */
export interface AdminSide extends SubApp {
  /** A command that was typed on a worker: signed by it, and with no more rights than a node has. */
  asNode(request: Request, node: string): Promise<Response>;
}

/** Loaded when it is asked for: schemas and pages that no request to a model needs. */
export async function loadAdminSide(parts: Omit<AdminParts, "catalog">, bundledCatalog: string): Promise<AdminSide> {
  const [{ createAdminApp }, { createUiApp }, { openCatalog }, { catalogDirectories }] = await Promise.all([
    import("../http/admin/admin-app.ts"),
    import("../http/admin/ui.ts"),
    import("../catalog/open-catalog.ts"),
    import("../catalog/catalog-directories.ts"),
  ]);
  const places = { configured: parts.config.values.catalog_dir, bundled: bundledCatalog, home: homedir() };
  const adminApp = createAdminApp(adminDeps({ ...parts, catalog: openCatalog(catalogDirectories(places)) }));
  const ui = createUiApp();
  return {
    fetch: (request) => (new URL(request.url).pathname.startsWith("/ui") ? ui : adminApp).fetch(request),
    asNode: async (request, node) => await adminApp.fetch(request, { node }),
  };
}
