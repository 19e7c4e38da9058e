import { createRoute, z } from "@hono/zod-openapi";
import { adminGroup } from "../admin-env.ts";
import type { AdminDeps, ConfigSetting } from "../deps.ts";
import { bearer, errorResponses, jsonContent } from "../schemas.ts";

const setting = z
  .object({
    key: z.string(),
    value: z.unknown().openapi({ description: "`[redacted]` for a secret that is set" }),
    origin: z.string(),
    detail: z.string(),
    effective: z.boolean().openapi({ description: "False: accepted, but nothing uses it yet" }),
    secret: z.boolean(),
  })
  .openapi("Setting");

const show = createRoute({
  method: "get",
  path: "/admin/v1/config",
  summary: "The configuration in effect, secrets redacted",
  tags: ["config"],
  security: bearer,
  responses: {
    200: jsonContent(
      z.object({ path: z.string(), settings: z.array(setting), warnings: z.array(z.string()) }),
      "Path of the file, every setting and where its value came from",
    ),
    ...errorResponses,
  },
});

export function configRoutes(deps: AdminDeps) {
  return adminGroup().openapi(show, (c) => {
    const report = deps.config();
    return c.json(
      { path: report.path, settings: report.settings.map(toSettingJson), warnings: [...report.warnings] },
      200,
    );
  });
}

export type ConfigApi = ReturnType<typeof configRoutes>;

function toSettingJson(setting: ConfigSetting) {
  const { key, origin, detail, effective, secret } = setting;
  const unset = setting.value === null || setting.value === undefined || setting.value === "";
  const value: unknown = secret && !unset ? "[redacted]" : (setting.value ?? null);
  return { key, value, origin, detail, effective, secret };
}
