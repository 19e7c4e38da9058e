import type { Hono } from "hono";
import type { Failure } from "../../core/failure.ts";
import { newRequestId } from "../../core/id.ts";
import { toErrorResponse } from "../../dialect/failure-shape.ts";
import { authenticate } from "../../gateway/authenticate.ts";
import type { Authenticator } from "../../gateway/ports.ts";
import type { ServerEnv } from "../server-env.ts";

/** What Ollama's API does to models. Here that is an admin's work, with keys of its own and an entry in the audit log. */
const REFUSED = [
  ["POST", "/api/pull", "Models are added by an admin: `flock model add <id>` (or `flock model add ollama:<name>`)."],
  ["POST", "/api/push", "Models are never sent anywhere from here; copy the file itself out of the models directory."],
  ["POST", "/api/create", "Models are added by an admin, also from a file: `flock model add file:<path>`."],
  [
    "POST",
    "/api/copy",
    "A second name for a model is an alias, which an admin gives: `flock alias set <name> <model>`.",
  ],
  ["DELETE", "/api/delete", "Models are removed by an admin: `flock model remove <id>`."],
  ["POST", "/api/blobs/:digest", "Files are not uploaded here: put a GGUF file into the models directory."],
  ["HEAD", "/api/blobs/:digest", "Files are not uploaded here: put a GGUF file into the models directory."],
] as const satisfies readonly (readonly [string, string, string])[];

export function mountOllamaRefused(app: Hono<ServerEnv>, keys: Authenticator): void {
  for (const [method, path, message] of REFUSED) {
    app.on(method, path, (context) => {
      const id = newRequestId();
      const principal = authenticate(keys, context.req.raw.headers);
      const refused: Failure = { kind: "unsupported", capability: path, endpoint: true, message };
      const shape = toErrorResponse("ollama", principal.ok ? refused : principal.error, id);
      return new Response(shape.body, { status: shape.status, headers: shape.headers });
    });
  }
}
