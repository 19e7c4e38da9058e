import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

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
  /** The last piece of a streamed chat waits for this. */
  readonly until?: Promise<void>;
  readonly usage?: { readonly prompt: number; readonly completion: number; readonly cached?: number };
  /** The name of another model than the one that it lists. */
  readonly answersAs?: string;
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

function raw(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "content-type": "application/json" }).end(body);
}

function json(response: ServerResponse, status: number, body: unknown): void {
  raw(response, status, JSON.stringify(body));
}

function failure(code: number, type: string, message: string) {
  return { error: { code, message, type } };
}

function embeddings(model: string, body: Record<string, unknown>) {
  const inputs = Array.isArray(body.input) ? body.input.length : 1;
  const plain = [0.6, 0.8];
  const packed = Buffer.from(Float32Array.from(plain).buffer).toString("base64");
  const embedding = body.encoding_format === "base64" ? packed : plain;
  const data = Array.from({ length: inputs }, (_, index) => ({ index, object: "embedding", embedding }));
  return { model, object: "list", usage: { prompt_tokens: 3 * inputs, total_tokens: 3 * inputs }, data };
}

/** Documents score by how many of the query's words they have. */
function ranking(model: string, body: Record<string, unknown>) {
  const words = String(body.query).split(" ");
  const results = (body.documents as string[]).map((text, index) => ({
    index,
    relevance_score: words.filter((word) => text.includes(word)).length,
  }));
  return { model, object: "list", usage: { prompt_tokens: 7, total_tokens: 7 }, results };
}

/** A stream of `/v1/completions`, or of llama-server's own `/infill`. */
async function complete(
  path: string,
  model: string,
  script: Script,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const { prompt_tokens, completion_tokens } = usageOf(script);
  const infill = path === "/infill";
  const frame = (text: string): object =>
    infill
      ? { index: 0, content: text, stop: false }
      : { choices: [{ text, index: 0, logprobs: null, finish_reason: null }], model, object: "text_completion" };
  const last: object[] = infill
    ? [
        {
          content: "",
          stop: true,
          stop_type: "eos",
          tokens_predicted: completion_tokens,
          tokens_evaluated: prompt_tokens,
        },
      ]
    : [
        { choices: [{ text: "", index: 0, logprobs: null, finish_reason: finishOf(script) }], model },
        { choices: [], model, usage: usageOf(script) },
      ];
  response.writeHead(200, { "content-type": "text/event-stream" });
  const send = (value: object): boolean => response.write(`data: ${JSON.stringify(value)}\n\n`);
  await pause(script.firstTokenDelayMs, signal);
  for (const [at, word] of words(script.text ?? "").entries()) {
    if (script.fault && at >= (script.faultAfter ?? 1)) return breakStream(script.fault, response, signal);
    if (at > 0) await pause(script.tokenDelayMs, signal);
    send(frame(word));
  }
  for (const value of last) send(value);
  response.end(infill ? "" : "data: [DONE]\n\n");
}

interface Piece {
  readonly delta: Record<string, unknown>;
}

function words(text: string): string[] {
  return text.match(/\s*\S+|\s+$/g) ?? [];
}

/** Text in pieces of about a word, as a tokenizer gives them. */
function pieces(script: Script): Piece[] {
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

async function whole(model: string, script: Script, signal: AbortSignal) {
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
  return {
    choices,
    created: 1795438413,
    model,
    object: "chat.completion",
    usage: usageOf(script),
    id: "chatcmpl-scripted",
  };
}

/** An answer in one piece with a fault; `silent` ends when the caller hangs up. */
function brokenWhole(fault: NonNullable<Script["fault"]>, response: ServerResponse): void {
  const half = '{"object":"chat.completion","choices":[{"index":0,"mess';
  if (fault === "error") return json(response, 500, failure(500, "server_error", "scripted failure"));
  if (fault === "not-json") return raw(response, 200, "{nonsense");
  if (fault === "half-frame" || fault === "no-done") return raw(response, 200, half);
  response.writeHead(200, { "content-type": "application/json", "content-length": 1000 });
  response.write(half);
  if (fault === "cut") setTimeout(() => response.destroy(), 20);
}

async function stream(
  model: string,
  script: Script,
  response: ServerResponse,
  signal: AbortSignal,
  sent: (bytes: number) => void,
): Promise<void> {
  const chunk = (choices: unknown[], rest: Record<string, unknown> = {}): string =>
    `data: ${JSON.stringify({ choices, created: 1795438413, id: "chatcmpl-scripted", model, object: "chat.completion.chunk", ...rest })}\n\n`;
  const delta = (value: Record<string, unknown>): string => chunk([{ finish_reason: null, index: 0, delta: value }]);
  const send = async (text: string): Promise<void> => {
    signal.throwIfAborted();
    if (!response.write(text)) await drained(response, signal);
    sent(text.length);
  };
  response.writeHead(200, { "content-type": "text/event-stream" });
  await send(delta({ role: "assistant", content: null }));
  await pause(script.firstTokenDelayMs, signal);
  const all = pieces(script);
  for (const [at, piece] of all.entries()) {
    if (script.fault && at >= (script.faultAfter ?? 1)) break;
    if (at > 0) await pause(script.tokenDelayMs, signal);
    // A caller that hung up meanwhile is found by the next write.
    if (at === all.length - 1) await script.until;
    await send(delta(piece.delta));
  }
  if (script.fault) return breakStream(script.fault, response, signal);
  await send(chunk([{ finish_reason: finishOf(script), index: 0, delta: {} }]));
  await send(chunk([], { usage: usageOf(script) }));
  await send("data: [DONE]\n\n");
  response.end();
}

/** Ends a stream as `fault` says. */
async function breakStream(
  fault: NonNullable<Script["fault"]>,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  // What was sent must arrive first: a cut throws away what the kernel has not taken.
  await pause(20, signal);
  switch (fault) {
    case "cut":
      response.destroy();
      return;
    case "silent":
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      return;
    case "half-frame":
      response.write('data: {"choices":[{"index":0,"del');
      break;
    case "not-json":
      response.write("data: {nonsense\n\n");
      break;
    case "error":
      response.write(`data: ${JSON.stringify(failure(500, "server_error", "scripted failure"))}\n\n`);
      break;
    case "no-done":
  }
  response.end();
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    response.once("drain", resolve);
    signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
  });
}

function pause(ms: number | undefined, signal: AbortSignal): Promise<void> {
  if (ms === undefined || ms <= 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    const stop = (): void => {
      clearTimeout(timer);
      reject(new Error("aborted"));
    };
    signal.addEventListener("abort", stop, { once: true });
  });
}
