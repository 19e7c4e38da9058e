import { type Flavor, reply } from "./flavor.ts";
import { openaiFlavor } from "./openai-flavor.ts";

/** What the stand-ins serve, and its context. */
export const MODEL = "some-model";
export const CONTEXT_TOKENS = 1024;

const llamaError = (code: number, type: string, message: string, more: object = {}): unknown => ({
  error: { code, message, type, ...more },
});

const LLAMA_TROUBLES: Flavor["troubles"] = {
  overflow: reply(
    llamaError(400, "exceed_context_size_error", "request (2000 tokens) exceeds the available context size", {
      n_prompt_tokens: 2000,
      n_ctx: CONTEXT_TOKENS,
    }),
    400,
  ),
  "bad-request": reply(llamaError(400, "invalid_request_error", "'messages' is required"), 400),
  crash: reply(llamaError(500, "server_error", "Failed to decode the batch"), 500),
  busy: reply(llamaError(503, "unavailable_error", "Loading model"), 503),
  "no-images": reply(llamaError(500, "server_error", "image input is not supported - hint: --mmproj"), 500),
};

/** As recorded from llama-server 0.5.0 and b10434. */
export const llamaCppFlavor: Flavor = openaiFlavor({
  kind: "llamacpp",
  server: "llama.cpp",
  thinkingField: "reasoning_content",
  opening: { role: "assistant", content: null },
  wholeCalls: false,
  ids: "chatcmpl-",
  error: (text) => llamaError(500, "server_error", text),
  embeddings: true,
  about: {
    "/health": () => reply({ status: "ok" }),
    "/v1/models": () => reply({ object: "list", data: [{ id: MODEL, object: "model", owned_by: "llamacpp" }] }),
    "/props": () =>
      reply({
        default_generation_settings: { n_ctx: CONTEXT_TOKENS },
        total_slots: 2,
        model_alias: MODEL,
        modalities: { vision: true, audio: false },
        chat_template_caps: { supports_tools: true },
        build_info: "b10434-7e4c0a9",
      }),
    "/v1/rerank": () => reply(llamaError(501, "not_supported_error", "This server does not support reranking"), 501),
  },
  troubles: LLAMA_TROUBLES,
});

/** Flock's own engine speaks llama-server's dialect. */
export const embeddedFlavor: Flavor = openaiFlavor({
  kind: "embedded",
  server: null,
  thinkingField: "reasoning_content",
  opening: { role: "assistant", content: null },
  wholeCalls: false,
  ids: "chatcmpl-",
  error: (text) => llamaError(500, "server_error", text),
  embeddings: true,
  about: {
    "/health": () => reply({ status: "ok", instance: "i" }),
    "/props": () =>
      reply({
        engine: "flock-embedded",
        version: "3",
        model_alias: MODEL,
        default_generation_settings: { n_ctx: CONTEXT_TOKENS },
        total_slots: 2,
        gpu: null,
        abilities: { chat: true, embeddings: true, rerank: false, tools: true, thinking: true },
        smoke_test: false,
      }),
  },
  troubles: LLAMA_TROUBLES,
});

const vllmError = (code: number, type: string, message: string, param: string | null = null): unknown => ({
  error: { message, type, param, code },
});
const METRICS = `# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="${MODEL}"} 3.0
vllm:num_requests_waiting{engine="0",model_name="${MODEL}"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="${MODEL}",reason="capacity"} 2.0
vllm:kv_cache_usage_perc{engine="0",model_name="${MODEL}"} 0.254
`;

/** As recorded from vLLM 0.32.0; with a LoRA adapter, which was not. */
export const vllmFlavor: Flavor = openaiFlavor({
  kind: "vllm",
  server: "uvicorn",
  thinkingField: "reasoning",
  opening: { role: "assistant", content: "" },
  wholeCalls: false,
  ids: "chatcmpl-",
  error: (text) => vllmError(500, "InternalServerError", text),
  embeddings: true,
  about: {
    "/health": () => reply(""),
    "/version": () => reply({ version: "0.32.0" }),
    "/metrics": () => reply(METRICS),
    "/v1/models": () =>
      reply({
        object: "list",
        data: [
          { id: MODEL, object: "model", owned_by: "vllm", root: "/m", parent: null, max_model_len: CONTEXT_TOKENS },
          { id: "sql-lora", object: "model", owned_by: "vllm", root: "/a", parent: MODEL, max_model_len: null },
        ],
      }),
    "/v1/rerank": () => reply({ detail: "Not Found" }, 404),
  },
  troubles: {
    overflow: reply(
      vllmError(
        400,
        "BadRequestError",
        `This model's maximum context length is ${CONTEXT_TOKENS} tokens. However, your prompt contains at least 1025 input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt. (parameter=input_tokens, value=1025)`,
        "input_tokens",
      ),
      400,
    ),
    "wrong-model": reply(
      vllmError(404, "NotFoundError", "The model `nope` does not exist. Valid aliases: tiny.", "model"),
      404,
    ),
    "bad-request": reply(vllmError(400, "Bad Request", "1 validation error", "body.temperature"), 400),
    crash: reply(
      vllmError(500, "InternalServerError", "EngineCore encountered an issue. See stack trace (above)"),
      500,
    ),
    "no-tools": reply(
      vllmError(
        400,
        "BadRequestError",
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
      ),
      400,
    ),
    "no-images": reply(vllmError(400, "BadRequestError", "tiny is not a multimodal model"), 400),
  },
});

/** As recorded from mlx_lm.server 0.32.2. */
export const mlxFlavor: Flavor = openaiFlavor({
  kind: "mlx",
  server: "BaseHTTP/0.6 Python/3.11.7",
  thinkingField: "reasoning",
  opening: { role: "assistant", content: "" },
  preamble: ": keepalive 1/1\n\n",
  wholeCalls: true,
  ids: "chatcmpl-",
  error: (text) => ({ error: text }),
  embeddings: false,
  about: {
    "/health": () => reply({ status: "ok" }),
    "/v1/models": () => reply({ object: "list", data: [{ id: MODEL, object: "model", created: 1795614649 }] }),
  },
  troubles: {
    "wrong-model": reply(
      { error: "Cannot find an appropriate cached snapshot folder for the specified revision" },
      404,
    ),
    "bad-request": reply({ error: "max_tokens must be of type int" }, 400),
    crash: reply("", 500),
  },
});
