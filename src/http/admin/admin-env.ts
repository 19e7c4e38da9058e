import { OpenAPIHono } from "@hono/zod-openapi";
import type { Principal } from "../../core/principal.ts";
import { refuse } from "./admin-error.ts";
import { describeIssues } from "./invalid-request.ts";

/** What the middleware leaves for the handlers. */
export interface AdminEnv {
  /** `node`: the request came over the node port, signed by this node; it carries no key. */
  Bindings: { readonly node?: string };
  Variables: { requestId: string; principal: Principal };
}

/** An app for one group of routes: what does not fit its schema is refused with the field's and the value's name. */
export function adminGroup(): OpenAPIHono<AdminEnv> {
  return new OpenAPIHono<AdminEnv>({
    defaultHook: (result, c) => {
      if (result.success) return undefined;
      // The validator hands over what it read, though its type does not say so.
      const given = "data" in result ? (result as { data: unknown }).data : undefined;
      const { field, message } = describeIssues(result.error.issues, given);
      return refuse(c, { kind: "invalid_request", field, message });
    },
  });
}
