import { afterEach, describe, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import type { Script } from "../support/script.ts";
import { type ScriptedEngine, startScriptedEngine } from "../support/scripted-engine.ts";
import { startGateway, type TestGateway } from "../support/start-gateway.ts";
import { readFrames } from "../support/stream-frames.ts";

type Json = Record<string, unknown>;
type Fault = NonNullable<Script["fault"]> | "killed";

/** What one API's client gets of a broken answer: what its own parser says, and what lies in the bytes. */
interface Surface {
  readonly name: string;
  readonly path: string;
  readonly body: Json;
  /** The error's kind in this API's own words: of an engine that fails, and of one that falls silent. */
  readonly words: { readonly failed: string; readonly silent: string };
  /** Responses have a list of their own for failures in a stream. */
  readonly streamedWords?: { readonly failed: string; readonly silent: string };
  readonly statuses: { readonly failed: number; readonly silent: number };
  /** Text that came, and the error that ended it; from the bytes of a stream. */
  read(text: string): { readonly text: string; readonly error: string | null };
  /** The error's kind in a body with a status of its own. */
  errorOf(body: Json): unknown;
  /** What must not come behind a failure: it would make a whole answer of half of one. */
  readonly ending: RegExp;
  /** What the official package throws. */
  readonly refused?: (answer: Response) => Promise<unknown>;
}

const hi = [{ role: "user" as const, content: "hi" }];

function dataOf(text: string): Json[] {
  return readFrames(text).flatMap(({ data }) => (data === "[DONE]" ? [] : [data]));
}

function lines(text: string): Json[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Json);
}

async function thrown(call: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(call).then(
    (value) => value,
    (error: unknown) => error,
  );
}

function sdk(answer: Response): { apiKey: string; maxRetries: number; fetch: () => Promise<Response> } {
  return { apiKey: "none", maxRetries: 0, fetch: () => Promise.resolve(answer) };
}

const SURFACES: readonly Surface[] = [
  {
    name: "OpenAI chat",
    path: "/v1/chat/completions",
    body: { model: "scripted", messages: hi },
    words: { failed: "engine_failed", silent: "engine_timeout" },
    statuses: { failed: 502, silent: 504 },
    read(text) {
      const data = dataOf(text);
      const said = data.map(
        ({ choices }) => (choices as { delta: { content?: string } }[] | undefined)?.[0]?.delta.content,
      );
      return { text: said.join(""), error: ((data.at(-1)?.error as Json | undefined)?.code as string) ?? null };
    },
    errorOf: (body) => (body.error as Json).code,
    ending: /\[DONE\]|"finish_reason":"/,
    async refused(answer) {
      const openai = new OpenAI({ ...sdk(answer), baseURL: "http://none/v1" });
      return thrown(openai.chat.completions.stream({ model: "m", messages: hi }).finalChatCompletion());
    },
  },
  {
    name: "OpenAI completions",
    path: "/v1/completions",
    body: { model: "scripted", prompt: "hi" },
    words: { failed: "engine_failed", silent: "engine_timeout" },
    statuses: { failed: 502, silent: 504 },
    read(text) {
      const data = dataOf(text);
      const said = data.map(({ choices }) => (choices as { text?: string }[] | undefined)?.[0]?.text);
      return { text: said.join(""), error: ((data.at(-1)?.error as Json | undefined)?.code as string) ?? null };
    },
    errorOf: (body) => (body.error as Json).code,
    ending: /\[DONE\]|"finish_reason":"/,
  },
  {
    name: "Responses",
    path: "/v1/responses",
    body: { model: "scripted", input: "hi" },
    streamedWords: { failed: "server_error", silent: "server_error" },
    words: { failed: "engine_failed", silent: "engine_timeout" },
    statuses: { failed: 502, silent: 504 },
    read(text) {
      const data = dataOf(text);
      const said = data.filter(({ type }) => type === "response.output_text.delta").map(({ delta }) => String(delta));
      const last = data.at(-1) ?? {};
      const failed = last.type === "response.failed" ? ((last.response as Json).error as Json) : null;
      return { text: said.join(""), error: (failed?.code as string) ?? null };
    },
    errorOf: (body) => (body.error as Json).code,
    ending: /event: response\.(completed|incomplete)/,
    async refused(answer) {
      const openai = new OpenAI({ ...sdk(answer), baseURL: "http://none/v1" });
      const stream = openai.responses.stream({ model: "m", input: "hi" });
      const response = await thrown(stream.finalResponse());
      return response instanceof Error ? response : new Error((response as { status: string }).status);
    },
  },
  {
    name: "Anthropic messages",
    path: "/v1/messages",
    body: { model: "scripted", max_tokens: 50, messages: hi },
    words: { failed: "api_error", silent: "api_error" },
    statuses: { failed: 500, silent: 500 },
    read(text) {
      const data = dataOf(text);
      const said = data.map(({ delta }) => (delta as { text?: string } | undefined)?.text);
      const last = data.at(-1) ?? {};
      return { text: said.join(""), error: last.type === "error" ? ((last.error as Json).type as string) : null };
    },
    errorOf: (body) => (body.error as Json).type,
    ending: /event: (message_stop|message_delta)/,
    async refused(answer) {
      const anthropic = new Anthropic({ ...sdk(answer), baseURL: "http://none" });
      return thrown(anthropic.messages.stream({ model: "m", max_tokens: 1, messages: hi }).finalMessage());
    },
  },
  {
    name: "Ollama chat",
    path: "/api/chat",
    body: { model: "scripted", messages: hi },
    words: { failed: "engine_failed", silent: "engine_timeout" },
    statuses: { failed: 502, silent: 504 },
    read(text) {
      const all = lines(text);
      const said = all.map(({ message }) => (message as { content?: string } | undefined)?.content);
      return { text: said.join(""), error: kindOf(all.at(-1)?.error) };
    },
    errorOf: ({ error }) => kindOf(error),
    ending: /"done":true/,
  },
  {
    name: "Ollama generate",
    path: "/api/generate",
    body: { model: "scripted", prompt: "hi" },
    words: { failed: "engine_failed", silent: "engine_timeout" },
    statuses: { failed: 502, silent: 504 },
    read(text) {
      const all = lines(text);
      return { text: all.map(({ response }) => response).join(""), error: kindOf(all.at(-1)?.error) };
    },
    errorOf: ({ error }) => kindOf(error),
    ending: /"done":true/,
  },
];

/** Ollama's errors are a sentence. */
function kindOf(error: unknown): string | null {
  if (typeof error !== "string") return null;
  return /no answer within/.test(error) ? "engine_timeout" : "engine_failed";
}

const FAULTS: readonly Fault[] = ["cut", "half-frame", "no-done", "not-json", "error", "silent", "killed"];
const LIMITS = { firstTokenMs: 600, stallMs: 600, replicaWaitMs: 100 };

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of running.splice(0).toReversed()) await one.stop();
});

async function start(script: Script): Promise<{ gateway: TestGateway; engine: ScriptedEngine }> {
  const engine = await startScriptedEngine();
  engine.script = script;
  const gateway = startGateway({ engines: [engine], limits: LIMITS });
  running.push(gateway);
  return { gateway, engine };
}

function post(gateway: TestGateway, surface: Surface, stream: boolean): Promise<Response> {
  const body = JSON.stringify({ ...surface.body, stream });
  return fetch(`${gateway.url}${surface.path}`, { method: "POST", headers: { "x-api-key": "any" }, body });
}

/** `killed`: its process is gone in the middle; the sockets close as they do then. */
function scriptOf(fault: Fault, after: number): Script {
  return { text: "a b c d", fault: fault === "killed" ? "silent" : fault, faultAfter: after };
}

describe.each(SURFACES)("$name", (surface) => {
  const expected = (fault: Fault) => (fault === "silent" ? "silent" : "failed");

  test.each(FAULTS)("%s after the first words: they came, then the failure in this API's last frame", async (fault) => {
    const { gateway, engine } = await start(scriptOf(fault, 2));
    const answer = await post(gateway, surface, true);
    expect(answer.status).toBe(200);
    if (fault === "killed") await engine.stop();
    const text = await answer.text();
    expect(surface.read(text)).toEqual({
      text: "a b",
      error: (surface.streamedWords ?? surface.words)[expected(fault)],
    });
    expect(text).not.toMatch(surface.ending);
    const error = await surface.refused?.(new Response(text, { headers: answer.headers }));
    if (surface.refused) expect(error).toBeInstanceOf(Error);
    expect(gateway.records).toMatchObject([{ outcome: "error", completionTokens: 2 }]);
    if (fault === "silent") await engine.requests[0]?.aborted;
    if (fault !== "killed") running.push(engine);
  });

  test.each(FAULTS.filter((fault) => fault !== "killed"))(
    "%s before the first word: a status, whether streamed or not",
    async (fault) => {
      const { gateway, engine } = await start(scriptOf(fault, 0));
      running.push(engine);
      const kind = expected(fault);
      const ask = async (stream: boolean): Promise<void> => {
        const answer = await post(gateway, surface, stream);
        const body = (await answer.json()) as Json;
        const seen = { stream, status: answer.status, error: surface.errorOf(body) };
        expect(seen).toEqual({ stream, status: surface.statuses[kind], error: surface.words[kind] });
        expect(answer.headers.get("content-type")).toStartWith("application/json");
      };
      await Promise.all([ask(true), ask(false)]);
      expect(gateway.records).toMatchObject([{ outcome: "error" }, { outcome: "error" }]);
    },
  );
});
