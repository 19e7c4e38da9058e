import { adminDeps, type AdminParts } from "./admin-deps.ts";
import { openCatalogOf } from "../catalog.ts";
import type { SubApp } from "../../http/app.ts";

/** The admin API and the dashboard's page. */
export interface AdminSide extends SubApp {
  /** A command that was typed on a worker: signed by it, and with no more rights than a node has. */
  asNode(request: Request, node: string): Promise<Response>;
}

/** Loaded when it is first asked for: schemas and pages that no request to a model needs. */
export function lateAdminSide(parts: Omit<AdminParts, "catalog">): () => Promise<AdminSide> {
  let loaded: Promise<AdminSide> | null = null;
  return () => (loaded ??= load(parts));
}

async function load(parts: Omit<AdminParts, "catalog">): Promise<AdminSide> {
  const { config, bundledCatalog } = parts.options;
  const [{ createAdminApp }, { createUiApp }, catalog] = await Promise.all([
    import("../../http/admin/admin-app.ts"),
    import("../../http/admin/ui.ts"),
    openCatalogOf(config.values, bundledCatalog),
  ]);
  const adminApp = createAdminApp(adminDeps({ ...parts, catalog }));
  const ui = createUiApp();
  return {
    fetch: (request) => (new URL(request.url).pathname.startsWith("/ui") ? ui : adminApp).fetch(request),
    asNode: async (request, node) => await adminApp.fetch(request, { node }),
  };
}
