import { type Flavor, type Piece, piecesOf, reply, usageOf, VECTOR } from "./flavor.ts";
import { CONTEXT_TOKENS, MODEL } from "./flavors.ts";

const CREATED = "2026-11-25T12:00:00.123456789Z";
const line = (value: unknown): string => `${JSON.stringify(value)}\n`;
const message = (piece: Piece): Record<string, unknown> => {
  if (piece.kind === "text") return { role: "assistant", content: piece.text };
  if (piece.kind === "thinking") return { role: "assistant", content: "", thinking: piece.text };
  const call = {
    function: { index: piece.index, name: piece.name, arguments: JSON.parse(piece.arguments) as unknown },
  };
  return { role: "assistant", content: "", tool_calls: [call] };
};

/** From Ollama's documentation and the source of 0.33: none was recorded. */
export const ollamaFlavor: Flavor = {
  kind: "ollama",
  chatPath: "/api/chat",
  streamType: "application/x-ndjson",
  server: null,
  about: {
    "/": () => reply("Ollama is running"),
    "/api/version": () => reply({ version: "0.33.0" }),
    "/api/tags": () =>
      reply({ models: [{ name: `${MODEL}:latest`, model: `${MODEL}:latest`, digest: "sha256:aa", size: 1e9 }] }),
    "/api/show": () =>
      reply({
        parameters: `num_ctx                        ${CONTEXT_TOKENS}`,
        capabilities: ["completion", "tools", "thinking", "vision", "embedding"],
        model_info: { "general.architecture": "llama", "llama.context_length": 131_072 },
      }),
  },
  open: () => "",
  frame: (model, piece) => line({ model, created_at: CREATED, message: message(piece), done: false }),
  close(model, script) {
    const { prompt, completion } = usageOf(script);
    return line({
      model,
      created_at: CREATED,
      message: { role: "assistant", content: "" },
      done: true,
      done_reason: script.finish === "length" ? "length" : "stop",
      total_duration: 5_000_000,
      load_duration: 1_000_000,
      prompt_eval_count: prompt,
      prompt_eval_duration: 1_000_000,
      eval_count: completion,
      eval_duration: 3_000_000,
    });
  },
  whole(model, script) {
    const end = JSON.parse(this.close(model, script)) as Record<string, unknown>;
    const calls = piecesOf(script).filter((piece) => piece.kind === "call");
    return {
      ...end,
      message: {
        role: "assistant",
        content: script.text ?? "",
        ...(script.thinking === undefined ? {} : { thinking: script.thinking }),
        ...(calls.length > 0 ? { tool_calls: calls.flatMap((call) => message(call).tool_calls) } : {}),
      },
    };
  },
  failure: (text) => line({ error: text }),
  troubles: {
    overflow: reply(
      {
        error: JSON.stringify({
          error: {
            code: 400,
            message: `request (2000 tokens) exceeds the available context size (${CONTEXT_TOKENS} tokens), try increasing it`,
            type: "exceed_context_size_error",
            n_prompt_tokens: 2000,
            n_ctx: CONTEXT_TOKENS,
          },
        }),
      },
      400,
    ),
    "wrong-model": reply({ error: `model "${MODEL}:latest" not found, try pulling it first` }, 404),
    busy: reply({ error: "server busy, please try again.  maximum pending requests exceeded" }, 503),
    crash: reply({ error: "model runner has unexpectedly stopped, this may be due to resource limitations" }, 500),
    "bad-request": reply({ error: "invalid options: temperature" }, 400),
    "no-tools": reply({ error: `"${MODEL}:latest" does not support tools` }, 400),
  },
  embeddings: {
    path: "/api/embed",
    answer: (model, inputs) => ({ model, embeddings: inputs.map(() => VECTOR), prompt_eval_count: 3 * inputs.length }),
  },
};
