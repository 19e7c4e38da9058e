/**
 * A stand-in for a `llama-server` that says what a test wants, and fails how it wants. Shapes as recorded from
 * llama-server 0.5.0 (role delta first, `finish_reason` in a chunk of its own, usage in one with `choices: []`).
 */

export interface Script {
  readonly text?: string;
  readonly thinking?: string;
  readonly toolCalls?: readonly { readonly name: string; readonly arguments: string }[];
  readonly finish?: "stop" | "length" | "tool_calls";
  /** Before the status line goes out. */
  readonly headerDelayMs?: number;
  /** Between the role delta and the first content. */
  readonly firstTokenDelayMs?: number;
  /** Between two pieces of content. */
  readonly tokenDelayMs?: number;
  readonly usage?: { readonly prompt: number; readonly completion: number; readonly cached?: number };
  /** An answer with this status and body instead. */
  readonly status?: number;
  readonly body?: string;
  /**
   * After `faultAfter` pieces of content: `cut` closes the socket, `half-frame` does it inside a frame, `no-done` ends
   * without finish reason, `not-json` sends garbage, `silent` sends nothing more, `error` sends an error frame.
   */
  readonly fault?: "cut" | "half-frame" | "no-done" | "not-json" | "silent" | "error";
  readonly faultAfter?: number;
}

export interface SeenRequest {
  readonly path: string;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
  /** Resolves when the caller hung up before the answer was whole. */
  readonly aborted: Promise<void>;
}

export interface ScriptedEngine {
  readonly url: string;
  readonly requests: readonly SeenRequest[];
  /** What to say to each request; a plain script says the same to all. */
  script: Script | ((body: Record<string, unknown>) => Script);
  stop(): Promise<void>;
}

export interface ScriptedEngineOptions {
  readonly model?: string;
  readonly contextTokens?: number;
  readonly slots?: number;
  readonly port?: number;
}

export function startScriptedEngine(options: ScriptedEngineOptions = {}): ScriptedEngine {
  const model = options.model ?? "scripted";
  const contextTokens = options.contextTokens ?? 8192;
  const requests: SeenRequest[] = [];
  const engine = { script: { text: "Hello from the scripted engine." } as ScriptedEngine["script"] };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: options.port ?? 0,
    idleTimeout: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/health") return Response.json({ status: "ok" });
      if (pathname === "/v1/models") {
        const meta = { n_ctx_train: contextTokens, n_ctx: contextTokens };
        return Response.json({ object: "list", data: [{ id: model, object: "model", owned_by: "llamacpp", meta }] });
      }
      if (pathname === "/props") {
        const default_generation_settings = { n_ctx: contextTokens };
        return Response.json({ default_generation_settings, total_slots: options.slots ?? 64, model_alias: model });
      }
      if (request.method !== "POST") return failure(404, "not_found_error", "File Not Found");
      const body = (await request.json()) as Record<string, unknown>;
      const aborted = new Promise<void>((resolve) => {
        request.signal.addEventListener("abort", () => resolve(), { once: true });
      });
      requests.push({ path: pathname, headers: request.headers, body, aborted });
      const script = typeof engine.script === "function" ? engine.script(body) : engine.script;
      await pause(script.headerDelayMs, request.signal);
      if (script.status !== undefined) {
        return new Response(script.body ?? "", {
          status: script.status,
          headers: { "content-type": "application/json" },
        });
      }
      if (pathname === "/v1/embeddings") return embeddings(model, body);
      return body.stream === true ? stream(model, script, request.signal) : whole(model, script, request.signal);
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    requests,
    get script() {
      return engine.script;
    },
    set script(script) {
      engine.script = script;
    },
    stop: () => server.stop(true),
  };
}

function failure(code: number, type: string, message: string): Response {
  return Response.json({ error: { code, message, type } }, { status: code });
}

function embeddings(model: string, body: Record<string, unknown>): Response {
  const inputs = Array.isArray(body.input) ? body.input.length : 1;
  const data = Array.from({ length: inputs }, (_, index) => ({ index, object: "embedding", embedding: [0.6, 0.8] }));
  return Response.json({ model, object: "list", usage: { prompt_tokens: 3 * inputs, total_tokens: 3 * inputs }, data });
}

interface Piece {
  readonly delta: Record<string, unknown>;
}

/** Text in pieces of about a word, as a tokenizer gives them. */
function pieces(script: Script): Piece[] {
  const words = (text: string): string[] => text.match(/\s*\S+|\s+$/g) ?? [];
  const out: Piece[] = [];
  for (const word of words(script.thinking ?? "")) out.push({ delta: { reasoning_content: word } });
  for (const word of words(script.text ?? "")) out.push({ delta: { content: word } });
  for (const [index, call] of (script.toolCalls ?? []).entries()) {
    const { name } = call;
    const head = { index, id: `call_${index}`, type: "function", function: { name, arguments: "" } };
    out.push({ delta: { tool_calls: [head] } });
    for (const part of call.arguments.match(/[\s\S]{1,5}/g) ?? []) {
      out.push({ delta: { tool_calls: [{ index, function: { arguments: part } }] } });
    }
  }
  return out;
}

function usageOf(script: Script) {
  const prompt_tokens = script.usage?.prompt ?? 10;
  const completion_tokens = script.usage?.completion ?? pieces(script).length;
  const prompt_tokens_details = { cached_tokens: script.usage?.cached ?? 0 };
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens, prompt_tokens_details };
}

function finishOf(script: Script): string {
  return script.finish ?? (script.toolCalls ? "tool_calls" : "stop");
}

async function whole(model: string, script: Script, signal: AbortSignal): Promise<Response> {
  await pause((script.firstTokenDelayMs ?? 0) + pieces(script).length * (script.tokenDelayMs ?? 0), signal);
  const tool_calls = script.toolCalls?.map((call, index) => ({
    id: `call_${index}`,
    type: "function",
    function: { name: call.name, arguments: call.arguments },
  }));
  const message = {
    role: "assistant",
    content: script.text ?? (tool_calls ? null : ""),
    ...(script.thinking === undefined ? {} : { reasoning_content: script.thinking }),
    ...(tool_calls ? { tool_calls } : {}),
  };
  const choices = [{ finish_reason: finishOf(script), index: 0, message }];
  return Response.json({ choices, created: 1795438413, model, object: "chat.completion", usage: usageOf(script), id: "chatcmpl-scripted" });
}

function stream(model: string, script: Script, signal: AbortSignal): Response {
  const encoder = new TextEncoder();
  const chunk = (choices: unknown[], rest: Record<string, unknown> = {}): string =>
    `data: ${JSON.stringify({ choices, created: 1795438413, id: "chatcmpl-scripted", model, object: "chat.completion.chunk", ...rest })}\n\n`;
  const delta = (value: Record<string, unknown>): string => chunk([{ finish_reason: null, index: 0, delta: value }]);
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const send = (text: string): void => controller.enqueue(encoder.encode(text));
      try {
        send(delta({ role: "assistant", content: null }));
        await pause(script.firstTokenDelayMs, signal);
        let sent = 0;
        for (const piece of pieces(script)) {
          if (script.fault && sent >= (script.faultAfter ?? 1)) break;
          if (sent > 0) await pause(script.tokenDelayMs, signal);
          send(delta(piece.delta));
          sent += 1;
        }
        switch (script.fault) {
          case "cut":
            controller.error(new Error("cut by the script"));
            return;
          case "half-frame":
            send(delta({ content: "never whole" }).slice(0, 40));
            controller.close();
            return;
          case "no-done":
            controller.close();
            return;
          case "not-json":
            send("data: {nonsense\n\n");
            controller.close();
            return;
          case "silent":
            await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
            controller.close();
            return;
          case "error":
            send(`data: ${JSON.stringify({ error: { code: 500, message: "scripted failure", type: "server_error" } })}\n\n`);
            controller.close();
            return;
          case undefined:
            break;
        }
        send(chunk([{ finish_reason: finishOf(script), index: 0, delta: {} }]));
        send(chunk([], { usage: usageOf(script) }));
        send("data: [DONE]\n\n");
        controller.close();
      } catch {
        // The caller hung up: the stream is closed already.
      }
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

function pause(ms: number | undefined, signal: AbortSignal): Promise<void> {
  if (ms === undefined || ms <= 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(new Error("aborted"));
      },
      { once: true },
    );
  });
}
