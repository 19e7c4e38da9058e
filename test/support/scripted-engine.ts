import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Script, usageOf } from "./script.ts";
import { embeddings, failure, json, ranking, raw } from "./scripted-reply.ts";
import { brokenWhole, complete, pause, stream, whole } from "./scripted-stream.ts";

/**
 * A stand-in for a `llama-server` that says what a test wants, and fails how it wants. Shapes as recorded from
 * llama-server 0.5.0 (role delta first, `finish_reason` in a chunk of its own, usage in one with `choices: []`).
 */

export interface SeenRequest {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Record<string, unknown>;
  /** Resolves when the caller hung up before the answer was whole. */
  readonly aborted: Promise<void>;
}

export interface ScriptedEngine {
  readonly url: string;
  readonly requests: readonly SeenRequest[];
  /** Bytes of streams given to the network so far; it stands still when nobody takes them. */
  readonly sentBytes: number;
  /** What to say to each request; a plain script says the same to all. */
  script: Script | ((body: Record<string, unknown>) => Script);
  stop(): Promise<void>;
}

export interface ScriptedEngineOptions {
  readonly model?: string;
  /** Further names under which it lists the same. */
  readonly alsoModels?: readonly string[];
  readonly contextTokens?: number;
  /** The model's chat template, as `/props` tells it. */
  readonly template?: string;
  readonly slots?: number;
  readonly port?: number;
}

export async function startScriptedEngine(options: ScriptedEngineOptions = {}): Promise<ScriptedEngine> {
  const model = options.model ?? "scripted";
  const contextTokens = options.contextTokens ?? 8192;
  const requests: SeenRequest[] = [];
  const engine = {
    script: { text: "Hello from the scripted engine." } as ScriptedEngine["script"],
    sentBytes: 0,
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? "/";
    if (path === "/health") return json(response, 200, { status: "ok" });
    if (path === "/v1/models") {
      const meta = { n_ctx_train: contextTokens, n_ctx: contextTokens };
      return json(response, 200, {
        object: "list",
        data: [model, ...(options.alsoModels ?? [])].map((id) => ({ id, object: "model", owned_by: "llamacpp", meta })),
      });
    }
    if (path === "/props") {
      const default_generation_settings = { n_ctx: contextTokens };
      const modalities = { vision: true, audio: true };
      const described = { default_generation_settings, total_slots: options.slots ?? 64, model_alias: model };
      return json(response, 200, {
        ...described,
        modalities,
        chat_template_caps: { supports_tools: true },
        chat_template: options.template,
      });
    }
    if (request.method !== "POST") return json(response, 404, failure(404, "not_found_error", "File Not Found"));
    const hungUp = new AbortController();
    response.on("close", () => {
      if (!response.writableEnded) hungUp.abort();
    });
    const body = await readSent(request);
    if (path === "/v1/chat/completions/input_tokens") {
      const script = typeof engine.script === "function" ? engine.script(body) : engine.script;
      return json(response, 200, { input_tokens: usageOf(script).prompt_tokens });
    }
    // Whoever asks what it was started for, asks with nothing in hand.
    const bare = body.input === undefined && body.query === undefined;
    if (bare && (path === "/v1/embeddings" || path === "/v1/rerank")) {
      return json(response, 400, failure(400, "invalid_request_error", "there is nothing to do"));
    }
    const aborted = new Promise<void>((resolve) => hungUp.signal.addEventListener("abort", () => resolve()));
    requests.push({ path, headers: request.headers, body, aborted });
    const script = typeof engine.script === "function" ? engine.script(body) : engine.script;
    const served = options.alsoModels?.find((also) => also === body.model) ?? model;
    await pause(script.headerDelayMs, hungUp.signal);
    if (script.status !== undefined) return raw(response, script.status, script.body ?? "");
    if (path === "/v1/embeddings")
      return json(response, 200, embeddings((body.model as string | undefined) ?? model, body));
    if (path === "/v1/audio/transcriptions") {
      const usage = { type: "tokens", input_tokens: 14, output_tokens: 4, total_tokens: 18 };
      if (body.response_format === "text") response.writeHead(200, { "content-type": "text/plain" }).end("hello there");
      else json(response, 200, { text: "hello there", usage });
      return;
    }
    if (path === "/v1/audio/speech") {
      response.writeHead(200, { "content-type": "audio/mpeg" }).end(Buffer.from("ID3 sound"));
      return;
    }
    if (path === "/v1/rerank") return json(response, 200, ranking(model, body));
    if (path === "/v1/completions" || path === "/infill") {
      await complete(path, served, script, response, hungUp.signal);
      return;
    }
    if (body.stream !== true && script.fault) return brokenWhole(script.fault, response);
    if (body.stream !== true)
      return json(response, 200, await whole(script.answersAs ?? served, script, hungUp.signal));
    await stream(script.answersAs ?? served, script, response, hungUp.signal, (bytes) => {
      engine.sentBytes += bytes;
    });
  };

  const server = createServer((request, response) => {
    // A caller that hung up is the usual end of a script that waits.
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", () => resolve()));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get sentBytes() {
      return engine.sentBytes;
    },
    get script() {
      return engine.script;
    },
    set script(script) {
      engine.script = script;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** JSON; a form as its fields, with a file as its bytes' number. */
async function readSent(request: IncomingMessage): Promise<Record<string, unknown>> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const type = request.headers["content-type"] ?? "";
  const bytes = Buffer.concat(pieces);
  if (!type.startsWith("multipart/")) return JSON.parse(bytes.toString("utf8")) as Record<string, unknown>;
  const form = await new Response(new Uint8Array(bytes), { headers: { "content-type": type } }).formData();
  return Object.fromEntries([...form].map(([name, value]) => [name, typeof value === "string" ? value : value.size]));
}
