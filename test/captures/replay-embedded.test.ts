import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeTinyModel } from "../../scripts/gguf/tiny-model.ts";
import { understand, type Understood } from "../support/official-parsers.ts";
import { type Flock, startFlock, temporaryDirectory } from "../support/start-flock.ts";
import { orderProblems } from "../support/stream-order.ts";
import { type Capture, loadCaptures, offeredTools, replay } from "./capture.ts";

type Json = Record<string, unknown>;

/** What the captures' prose was replaced with: as one token each, 80 kilobytes are read in a second. */
const PROSE =
  " lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua";
const SENTENCE = "Hello from a tiny model.";
const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>';
const MODEL = "qwen3-coder";

/** Whatever model a client named, this one answers here. */
const CAPTURES = loadCaptures().map((capture): Capture => {
  return capture.body ? { ...capture, body: { ...capture.body, model: MODEL } } : capture;
});
const SURFACES = ["chat", "messages", "responses"];
const chats = CAPTURES.filter(({ kind, body }) => SURFACES.includes(kind) && body?.thread === undefined);
const hasImages = ({ body }: Capture): boolean => /"type":"(image|image_url)"/.test(JSON.stringify(body));
const named = (captures: readonly Capture[]) => captures.map((capture) => [capture.name, capture] as const);

let flock: Flock;
let dataDir: string;
beforeAll(async () => {
  dataDir = temporaryDirectory();
  mkdirSync(join(dataDir, "models"), { recursive: true });
  const says = { kind: "says", text: `${SENTENCE}\n${CALL}`, words: PROSE.split(/(?= )/) } as const;
  await writeTinyModel(join(dataDir, "models", `${MODEL}.gguf`), says, { template: "tools", contextTokens: 131_072 });
  const env = { FLOCK_ENGINE: "embedded", FLOCK_ENGINE_EMBEDDED_CONTEXT: "65536", FLOCK_ENGINE_EMBEDDED_SLOTS: "1" };
  flock = await startFlock({ dataDir, env });
});
afterAll(async () => {
  await flock.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function ask(capture: Capture): Promise<Understood> {
  const surface = capture.kind as "chat" | "messages" | "responses";
  const answer = await replay(capture, flock.url, flock.adminKey);
  const streamed = capture.body?.stream === true;
  const text = await answer.text();
  expect({ status: answer.status, text: answer.status === 200 ? "" : text }).toEqual({ status: 200, text: "" });
  const usageAsked = (capture.body?.stream_options as Json | undefined)?.include_usage === true;
  if (streamed) expect(orderProblems(surface, text, { usageAsked })).toEqual([]);
  const said = await understand(surface, new Response(text, { headers: answer.headers }), streamed);
  expect(said.model).toBe(MODEL);
  return said;
}

/** A tool that must be called, a form that the answer must have: the grammar decides then, not the model. */
function constraint({ body }: Capture): "tool" | "json" | null {
  const choice = body?.tool_choice as string | { type: string } | undefined;
  const kind = typeof choice === "string" ? choice : choice?.type;
  if (kind !== undefined && kind !== "auto" && kind !== "none") return "tool";
  const { response_format, output_config, text } = (body ?? {}) as Record<string, Json | undefined>;
  const format = response_format ?? output_config?.format ?? text?.format;
  return format === undefined || (format as Json).type === "text" ? null : "json";
}

/** What noise fills in may be longer than the client's limit. */
const CUT = ["max_tokens", "length", "incomplete"];
const free = chats.filter((capture) => constraint(capture) === null && !hasImages(capture));
const offering = free.filter(({ body }) => offeredTools(body).length > 0);

test.each(named(free.filter((capture) => !offering.includes(capture))))(
  "%s gets the text, whatever it looks like",
  async (_, capture) => {
    const said = await ask(capture);
    expect(said).toMatchObject({ text: `${SENTENCE}\n${CALL}`, calls: [] });
    expect(["stop", "end_turn", "completed"]).toContain(String(said.stop));
  },
);

test.each(named(offering))("%s gets the text and the call behind it", async (_, capture) => {
  const said = await ask(capture);
  expect(said.text).toBe(SENTENCE);
  expect(said.calls.map(({ name }) => name)).toEqual(["weather"]);
  expect(JSON.parse(said.calls[0]?.arguments ?? "")).toEqual({ city: "Oslo" });
  expect(["tool_calls", "tool_use", "completed"]).toContain(String(said.stop));
});

test.each(named(chats.filter((capture) => constraint(capture) === "json")))(
  "%s gets JSON of the form that it wants",
  async (_, capture) => {
    const { text, stop } = await ask(capture);
    if (CUT.includes(String(stop))) return;
    expect(JSON.parse(text)).toMatchObject({ name: expect.any(String), n: expect.any(Number) });
  },
);

test.each(named(chats.filter((capture) => constraint(capture) === "tool")))(
  "%s gets the call that it forces",
  async (_, capture) => {
    const { calls, text, stop } = await ask(capture);
    if (CUT.includes(String(stop))) return;
    expect([text, calls.length]).toEqual(["", 1]);
    expect(offeredTools(capture.body).map(({ name }) => name)).toContain(calls[0]?.name ?? "");
    expect(JSON.parse(calls[0]?.arguments ?? "")).toBeObject();
  },
);

test.each(named(chats.filter(hasImages)))("%s is told that this model sees no images", async (_, capture) => {
  const answer = await replay(capture, flock.url, flock.adminKey);
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("images")]);
});

test.each(named(CAPTURES.filter(({ kind }) => kind === "embeddings")))("%s", async (_, capture) => {
  const answer = await replay(capture, flock.url, flock.adminKey);
  if (capture.body?.dimensions !== undefined) {
    // This model's vectors have one length only.
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("dimensions")]);
    return;
  }
  const { data } = (await answer.json()) as { data: { embedding: string | number[] }[] };
  expect(data).toHaveLength([capture.body?.input].flat().length);
  const packed = capture.body?.encoding_format === "base64";
  for (const { embedding } of data) {
    expect(typeof embedding).toBe(packed ? "string" : "object");
    const length = typeof embedding === "string" ? Buffer.from(embedding, "base64").length / 4 : embedding.length;
    expect(length).toBeGreaterThan(16);
  }
});

test.each(named(CAPTURES.filter(({ kind }) => kind === "count")))("%s is counted exactly", async (_, capture) => {
  const answer = await replay(capture, flock.url, flock.adminKey);
  const { input_tokens } = (await answer.json()) as { input_tokens: number };
  expect(answer.headers.has("x-flock-count")).toBe(false);
  const asked = { ...capture, kind: "messages" as const, path: "/v1/messages" };
  expect((await ask(asked)).inputTokens).toBe(input_tokens);
});

test.each(named(CAPTURES.filter(({ body }) => body?.thread !== undefined)))(
  "%s is refused a thread",
  async (_, capture) => {
    const answer = await replay(capture, flock.url, flock.adminKey);
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("thread_unsupported_request")]);
  },
);

test.each(named(CAPTURES.filter(({ kind }) => kind === "completions")))(
  "%s goes on with the text",
  async (_, capture) => {
    const answer = await replay(capture, flock.url, flock.adminKey);
    const { choices } = (await answer.json()) as { choices: { text: string; finish_reason: string }[] };
    // This model knows what to say behind a chat's last line only; behind any other text it ends.
    expect(choices).toMatchObject([{ text: expect.any(String), finish_reason: "stop" }]);
  },
);

test.each(named(CAPTURES.filter(({ kind }) => kind === "models" || kind === "upgrade")))("%s", async (_, capture) => {
  const answer = await replay(capture, flock.url, flock.adminKey);
  expect(answer.status).toBe(capture.kind === "upgrade" ? 426 : 200);
  if (capture.kind === "models") expect(await answer.text()).toContain(`"id":"${MODEL}"`);
});

test("an agent's next turn finds its whole beginning in the engine's cache", async () => {
  for (const client of ["claude-code-tool", "claude-code-custom-model", "codex-tool", "opencode-anthropic"]) {
    const turns = chats.filter(({ name }) => name.startsWith(client)).slice(-2);
    let cached: number | null = null;
    let prompt = 0;
    for (const turn of turns) {
      const body = { ...turn.body, stream: false };
      const answer = await replay({ ...turn, body }, flock.url, flock.adminKey);
      const { usage } = (await answer.json()) as { usage: Record<string, number & { cached_tokens: number }> };
      cached = usage.cache_read_input_tokens ?? usage.input_tokens_details?.cached_tokens ?? 0;
      // Anthropic's count leaves the cached ones out.
      prompt = (usage.input_tokens ?? 0) + (usage.cache_read_input_tokens ?? 0);
    }
    expect({ client, share: (cached ?? 0) / prompt > 0.9 }).toEqual({ client, share: true });
  }
});
