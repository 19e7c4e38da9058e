import type { Surface } from "../../src/dialect/failure-shape.ts";

type Body = Readonly<Record<string, unknown>>;

/** A client endpoint that takes a body, one that is right, and what is wrong for this one only. */
export interface Endpoint {
  readonly path: string;
  readonly surface: Surface;
  readonly body: Body;
  /** Changes that make the body wrong. */
  readonly wrong: readonly Body[];
}

const TEXT = "hi";
const user = { role: "user", content: TEXT };

/** Numbers that no engine makes sense of. JSON has no infinity, but what is too large becomes one. */
const SAMPLING: readonly Body[] = [
  { temperature: -1 },
  { temperature: 1e300 },
  { temperature: "hot" },
  { top_p: 7 },
  { top_p: [] },
  { top_k: -2 },
  { top_k: {} },
];
const ABSURD_LIMITS = [-5, 1.5, 1e300, "12", true, []];
const limits = (field: string): Body[] => ABSURD_LIMITS.map((value) => ({ [field]: value }));
const STREAM: readonly Body[] = [{ stream: "yes" }, { stream: 1 }, { stream: [] }];

const WRONG_MESSAGES: readonly Body[] = [
  { messages: undefined },
  { messages: null },
  { messages: "hi" },
  { messages: {} },
  { messages: [1] },
  { messages: [null] },
];

export const ENDPOINTS: readonly Endpoint[] = [
  {
    path: "/v1/chat/completions",
    surface: "openai",
    body: { model: "scripted", messages: [user] },
    wrong: [
      ...WRONG_MESSAGES,
      { messages: [] },
      ...SAMPLING,
      ...STREAM,
      ...limits("max_tokens"),
      ...limits("max_completion_tokens"),
      { stop: 5 },
      { tools: "none" },
      { n: 0 },
      { response_format: "json" },
      { stream_options: 1 },
      { logit_bias: [] },
    ],
  },
  {
    path: "/v1/completions",
    surface: "openai",
    body: { model: "scripted", prompt: TEXT },
    wrong: [
      { prompt: undefined },
      { prompt: null },
      { prompt: [] },
      { prompt: [[]] },
      { prompt: {} },
      { prompt: [1.5] },
      { suffix: 5 },
      ...SAMPLING,
      ...STREAM,
      ...limits("max_tokens"),
      { n: -1 },
      { n: 100_000 },
      { echo: "yes" },
      { logprobs: -1 },
    ],
  },
  {
    path: "/v1/embeddings",
    surface: "openai",
    body: { model: "scripted", input: TEXT },
    wrong: [
      { input: undefined },
      { input: null },
      { input: "" },
      { input: [] },
      { input: [""] },
      { input: {} },
      { input: [1, "a"] },
      { input: [-1] },
      { encoding_format: "int8" },
      { dimensions: 0 },
      { dimensions: -3 },
      { dimensions: "64" },
    ],
  },
  {
    path: "/v1/rerank",
    surface: "openai",
    body: { model: "scripted", query: TEXT, documents: ["a", "b"] },
    wrong: [
      { query: "" },
      { query: 5 },
      { documents: undefined },
      { documents: [] },
      { documents: "a" },
      { documents: [1] },
      { top_n: 0 },
      { top_n: "1" },
    ],
  },
  {
    path: "/v1/responses",
    surface: "openai",
    body: { model: "scripted", input: TEXT },
    wrong: [
      { input: undefined },
      { input: 5 },
      { input: [1] },
      { input: [] },
      { instructions: 5 },
      ...SAMPLING,
      ...STREAM,
      ...limits("max_output_tokens"),
      { tools: {} },
      { previous_response_id: "resp_unknown" },
      { previous_response_id: 5 },
    ],
  },
  {
    path: "/v1/messages",
    surface: "anthropic",
    body: { model: "scripted", max_tokens: 9, messages: [user] },
    wrong: [
      ...WRONG_MESSAGES,
      { messages: [] },
      ...SAMPLING,
      ...STREAM,
      ...limits("max_tokens"),
      { system: 5 },
      { tools: {} },
      { stop_sequences: "a" },
    ],
  },
  {
    path: "/v1/messages/count_tokens",
    surface: "anthropic",
    body: { model: "scripted", messages: [user] },
    wrong: [...WRONG_MESSAGES, { system: 5 }, { tools: 1 }],
  },
  {
    path: "/api/chat",
    surface: "ollama",
    body: { model: "scripted", messages: [user] },
    wrong: [
      { messages: "hi" },
      { messages: {} },
      { messages: [1] },
      { messages: [{ role: "nobody", content: TEXT }] },
      ...STREAM,
      { options: 5 },
      { options: { temperature: -1 } },
      { options: { num_predict: 1.5 } },
      { options: { num_predict: 1e300 } },
      { format: 5 },
      { think: "perhaps" },
    ],
  },
  {
    path: "/api/generate",
    surface: "ollama",
    body: { model: "scripted", prompt: TEXT },
    wrong: [{ prompt: 5 }, { prompt: ["a"] }, ...STREAM, { options: [] }, { images: "x" }, { system: 5 }],
  },
  {
    path: "/api/embed",
    surface: "ollama",
    body: { model: "scripted", input: TEXT },
    wrong: [{ input: 5 }, { input: [1] }, { input: ["a", ""] }, { dimensions: -1 }],
  },
  {
    path: "/api/embeddings",
    surface: "ollama",
    body: { model: "scripted", prompt: TEXT },
    wrong: [{ prompt: 5 }, { prompt: ["a"] }],
  },
  { path: "/api/show", surface: "ollama", body: { model: "scripted" }, wrong: [] },
];

/** Undefined where the answer has the shape of an error on this surface, else what is wrong with it. */
export function shapeProblem(surface: Surface, status: number, body: unknown): string | undefined {
  const at = (value: unknown, ...path: string[]): unknown =>
    path.reduce<unknown>((one, key) => (one as Record<string, unknown> | null | undefined)?.[key], value);
  const text = (value: unknown): boolean => typeof value === "string" && value !== "";
  switch (surface) {
    case "openai": {
      const error = at(body, "error") as Record<string, unknown> | undefined;
      const whole =
        text(error?.["message"]) && text(error?.["type"]) && "param" in (error ?? {}) && "code" in (error ?? {});
      return whole ? undefined : `${status}: no OpenAI error: ${JSON.stringify(body)}`;
    }
    case "anthropic": {
      const whole =
        at(body, "type") === "error" &&
        text(at(body, "error", "type")) &&
        text(at(body, "error", "message")) &&
        text(at(body, "request_id"));
      return whole ? undefined : `${status}: no Anthropic error: ${JSON.stringify(body)}`;
    }
    case "ollama":
      return text(at(body, "error")) ? undefined : `${status}: no Ollama error: ${JSON.stringify(body)}`;
  }
}
