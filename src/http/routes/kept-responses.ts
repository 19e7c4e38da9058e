import type { Context, Hono } from "hono";
import type { JsonObject } from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import { newRequestId } from "../../core/id.ts";
import type { Principal } from "../../core/principal.ts";
import { toErrorResponse } from "../../dialect/failure-shape.ts";
import { inputPage } from "../../dialect/openai-responses/input-page.ts";
import { authenticate } from "../../gateway/authenticate.ts";
import type { Authenticator } from "../../gateway/ports.ts";
import type { ResponseStore } from "../../gateway/response-store.ts";
import type { ServerEnv } from "../server-env.ts";

type Given = { readonly body: JsonObject } | { readonly failure: Failure };

/**
 * `GET` and `DELETE /v1/responses/:id`, and its `input_items`: what a client can do with a response that was kept. To
 * another key every id is unknown.
 */
export function mountKeptResponses(
  app: Hono<ServerEnv>,
  keys: Authenticator,
  store: ResponseStore,
  paths: readonly string[],
): void {
  const serve =
    (answer: (principal: Principal, id: string, context: Context) => Promise<Given>) =>
    async (context: Context): Promise<Response> => {
      const requestId = newRequestId();
      const principal = authenticate(keys, context.req.raw.headers);
      const given: Given = principal.ok
        ? await answer(principal.value, context.req.param("id") ?? "", context)
        : { failure: principal.error };
      if (!("failure" in given)) return Response.json(given.body, { headers: { "x-request-id": requestId } });
      const shape = toErrorResponse("openai", given.failure, requestId);
      return new Response(shape.body, { status: shape.status, headers: shape.headers });
    };

  for (const path of paths) {
    app.get(
      `${path}/:id`,
      serve(async ({ keyId }, id, context) => {
        if (context.req.query("stream") === "true") return { failure: NO_STREAM };
        const kept = await store.get(keyId, id);
        return kept ? { body: { ...kept.head, output: [...kept.output] } } : { failure: unknown(id) };
      }),
    );
    app.get(
      `${path}/:id/input_items`,
      serve(async ({ keyId }, id, context) => {
        const kept = await store.get(keyId, id);
        if (!kept) return { failure: unknown(id) };
        const page = inputPage(kept.input, id, new URL(context.req.url).searchParams);
        return page.ok ? { body: page.value } : { failure: page.error };
      }),
    );
    app.delete(
      `${path}/:id`,
      serve(async ({ keyId }, id) =>
        (await store.delete(keyId, id))
          ? { body: { id, object: "response", deleted: true } }
          : { failure: unknown(id) },
      ),
    );
    app.post(
      `${path}/:id/cancel`,
      serve(async () => ({ failure: NO_CANCEL })),
    );
  }
}

const NO_STREAM: Failure = {
  kind: "unsupported",
  capability: "stream",
  endpoint: false,
  message: "A stream cannot be taken up again here: leave out stream to get the response as a whole.",
};

const NO_CANCEL: Failure = {
  kind: "unsupported",
  capability: "cancel",
  endpoint: false,
  message: "Responses in the background are not made here; to end a running one, close its connection.",
};

function unknown(id: string): Failure {
  return { kind: "unknown_response", id: id.slice(0, 100) };
}
