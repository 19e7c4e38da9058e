// A stand-in for llama.cpp's `llama-server` where the real one is not installed: the flags that Flock gives it, its start
// (loading, then ready), its key, its health, its answers and its LoRA adapters, in shapes as recorded from
// llama-server 0.5.0. It says one sentence whatever it is asked. An unknown flag ends it, as it does the real one.
//   STANDIN_LOAD_MS     how long it says 503 "Loading model"
//   STANDIN_FAIL        what it says before it ends with 1 instead of serving
//   STANDIN_DEAF_FILE   once this file exists, no token comes any more though /health is well
import { existsSync } from "node:fs";

const WITH_VALUE = new Set([
  "--model",
  "-m",
  "--alias",
  "--host",
  "--port",
  "--ctx-size",
  "--parallel",
  "--threads",
  "--n-gpu-layers",
  "--api-key-file",
  "--lora",
  "--rpc",
  "--tensor-split",
]);
const BARE = new Set(["--jinja", "--metrics", "--no-webui", "--offline", "--lora-init-without-apply", "--embeddings"]);

const values = new Map<string, string[]>();
const argv = process.argv.slice(2);
for (let at = 0; at < argv.length; at++) {
  const flag = argv[at] ?? "";
  if (flag === "--version") {
    console.error("version: 0.5.0-standin (build 1, commit 0000000)");
    process.exit(0);
  }
  if (flag === "--list-devices") {
    console.log("Available devices:\n  CPU: stand-in (1024 MiB, 512 MiB free)");
    process.exit(0);
  }
  if (BARE.has(flag)) values.set(flag, ["true"]);
  else if (WITH_VALUE.has(flag)) values.set(flag, [...(values.get(flag) ?? []), argv[++at] ?? ""]);
  else fail(`error: invalid argument: ${flag}`);
}
const given = (flag: string): string | undefined => values.get(flag)?.at(-1);
const model = given("--model") ?? fail("error: this stand-in has no router mode");
const alias = given("--alias") ?? model;
const slots = Number(given("--parallel") ?? 4);
const perSlot = Math.floor(Number(given("--ctx-size") ?? 4096) / slots);
const adapters = (given("--lora") ?? "")
  .split(",")
  .filter(Boolean)
  .map((path, id) => ({
    id,
    path,
    // As b10434 does, in spite of --lora-init-without-apply.
    scale: 1,
  }));
const key = process.env["LLAMA_API_KEY"] ?? "";
const readyAt = Date.now() + Number(process.env["STANDIN_LOAD_MS"] ?? 50);
const deafFile = process.env["STANDIN_DEAF_FILE"] ?? "";
let decoded = 0;

console.log(`main: loading model ${model} with ${slots} slots of ${perSlot}`);
const failure = process.env["STANDIN_FAIL"];
if (failure !== undefined) fail(failure);
for (const path of [model, ...adapters.map((adapter) => adapter.path)]) {
  if (!existsSync(path)) fail(`error: failed to open GGUF file '${path}' (No such file or directory)`);
}
process.on("SIGTERM", () => process.exit(0));

const server = Bun.serve({
  hostname: given("--host") ?? "127.0.0.1",
  port: Number(given("--port") ?? 8080),
  idleTimeout: 0,
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const loading = Date.now() < readyAt;
    if (pathname === "/health")
      return loading ? error(503, "unavailable_error", "Loading model") : ok({ status: "ok" });
    if (key !== "" && request.headers.get("authorization") !== `Bearer ${key}`) {
      return error(401, "authentication_error", "Invalid API Key");
    }
    if (loading) return error(503, "unavailable_error", "Loading model");
    switch (`${request.method} ${pathname}`) {
      case "GET /v1/models":
        return ok({
          object: "list",
          data: [{ id: alias, object: "model", created: 1795438413, owned_by: "llamacpp" }],
        });
      case "GET /props":
        return ok({
          default_generation_settings: { n_ctx: perSlot },
          total_slots: slots,
          model_alias: alias,
          model_path: model,
          modalities: { vision: false, audio: false },
          chat_template_caps: { supports_tools: false },
          build_info: "b1-standin",
        });
      case "GET /metrics":
        if (!values.has("--metrics")) return error(501, "not_supported_error", "This server does not support metrics");
        return new Response(`llamacpp:n_decode_total ${decoded}\nllamacpp:requests_processing 0\n`);
      case "GET /lora-adapters":
        return ok(adapters);
      case "POST /lora-adapters":
        for (const { id, scale } of (await request.json()) as { id: number; scale: number }[]) {
          const adapter = adapters[id];
          if (adapter) adapter.scale = scale;
        }
        return ok({ success: true });
      case "POST /v1/chat/completions":
        return await chat((await request.json()) as Ask, request.signal);
      case "POST /v1/chat/completions/input_tokens":
        return ok({ input_tokens: 21 });
    }
    return error(404, "not_found_error", "File Not Found");
  },
});
console.log(`main: server is listening on http://${server.hostname}:${server.port}`);

interface Ask {
  readonly stream?: boolean;
  readonly max_tokens?: number;
  readonly lora?: readonly { readonly id: number; readonly scale: number }[];
}

async function chat(ask: Ask, signal: AbortSignal): Promise<Response> {
  if (deafFile !== "" && existsSync(deafFile)) {
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }
  const spoken = "Hello from the stand-in llama-server.".split(/(?= )/).slice(0, ask.max_tokens ?? 100);
  // Its adapters change what it says, so that a test sees which one was applied.
  const applied = (ask.lora ?? adapters).filter(({ id, scale }) => scale > 0 && adapters.some((one) => one.id === id));
  const pieces = [...applied.map(({ id }) => `[adapter ${id}] `), ...spoken];
  decoded += pieces.length;
  const usage = { prompt_tokens: 21, completion_tokens: pieces.length, total_tokens: 21 + pieces.length };
  const head = { created: 1795438413, id: "chatcmpl-standin", model: alias, system_fingerprint: "b1-standin" };
  if (ask.stream !== true) {
    const message = { role: "assistant", content: pieces.join("") };
    return ok({ choices: [{ finish_reason: "stop", index: 0, message }], ...head, object: "chat.completion", usage });
  }
  const chunk = (choices: unknown[], rest: object = {}): string =>
    `data: ${JSON.stringify({ choices, ...head, object: "chat.completion.chunk", ...rest })}\n\n`;
  const delta = (value: object, reason: string | null = null): string =>
    chunk([{ finish_reason: reason, index: 0, delta: value }]);
  const frames = [
    delta({ role: "assistant", content: null }),
    ...pieces.map((content) => delta({ content })),
    delta({}, "stop"),
    chunk([], { usage }),
    "data: [DONE]\n\n",
  ];
  return new Response(frames.join(""), { headers: { "content-type": "text/event-stream" } });
}

function ok(body: unknown): Response {
  return Response.json(body);
}

function error(code: number, type: string, message: string): Response {
  return Response.json({ error: { code, message, type } }, { status: code });
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
