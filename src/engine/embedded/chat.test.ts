import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startTestChild, type TestChild } from "./test-child.ts";

const SENTENCE = "Only these few words, nothing more.";
const PATH = "/v1/chat/completions";
const HI = [{ role: "user", content: "hi" }];

interface Frame {
  readonly choices: readonly {
    readonly delta: { readonly role?: string; readonly content?: string | null };
    readonly finish_reason: string | null;
  }[];
  readonly usage?: unknown;
  readonly timings?: unknown;
  readonly model: string;
}
interface Body {
  readonly choices: readonly { readonly message: { readonly content: string }; readonly finish_reason: string }[];
  readonly usage: Record<string, unknown>;
  readonly model: string;
  readonly timings: Record<string, number>;
}
interface ErrorBody {
  readonly error: { readonly code: number; readonly type: string; readonly message: string; readonly param?: string };
}

let child: TestChild;
beforeAll(async () => {
  child = await startTestChild({ kind: "says", text: SENTENCE }, { windowTokens: 512, slots: 2 });
}, 30_000);
afterAll(() => child.stop());

async function answer(body: object): Promise<Body> {
  const response = await child.post(PATH, { messages: HI, ...body });
  expect(response.status).toBe(200);
  return (await response.json()) as Body;
}

async function frames(body: object): Promise<{ frames: Frame[]; done: boolean }> {
  const response = await child.post(PATH, { messages: HI, stream: true, ...body });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const events = (await response.text()).split("\n\n").filter((event) => event !== "");
  const data = events.map((event) => event.slice("data: ".length));
  const done = data.at(-1) === "[DONE]";
  return { frames: data.filter((item) => item !== "[DONE]").map((item) => JSON.parse(item) as Frame), done };
}

async function refusal(body: unknown): Promise<ErrorBody["error"] & { status: number }> {
  const response = await child.post(PATH, body);
  const { error } = (await response.json()) as ErrorBody;
  expect(error.code).toBe(response.status);
  return { ...error, status: response.status };
}

function text(list: readonly Frame[]): string {
  return list.map((frame) => frame.choices[0]?.delta.content ?? "").join("");
}

describe("an answer", () => {
  test("is the model's sentence, with usage, timings and the model's name that was asked for", async () => {
    const body = await answer({ model: "some-name" });
    expect(body.choices[0]).toEqual({
      finish_reason: "stop",
      index: 0,
      message: { role: "assistant", content: SENTENCE },
    } as never);
    expect(body.model).toBe("some-name");
    // Six words and the token that ends the answer.
    expect(body.usage).toEqual({
      prompt_tokens: 22,
      completion_tokens: 7,
      total_tokens: 29,
      prompt_tokens_details: { cached_tokens: expect.any(Number) },
    });
    expect(body.timings["predicted_n"]).toBe(7);
  });

  test("streamed starts with the role, ends with the reason and [DONE]", async () => {
    const { frames: list, done } = await frames({ model: "m" });
    expect(list[0]?.choices[0]?.delta).toEqual({ role: "assistant", content: null });
    expect(text(list)).toBe(SENTENCE);
    expect(list.at(-1)?.choices[0]).toEqual({ finish_reason: "stop", index: 0, delta: {} } as never);
    expect(list.at(-1)?.timings).toBeDefined();
    expect(list.every((frame) => frame.model === "m" && frame.usage === undefined)).toBe(true);
    expect(done).toBe(true);
  });

  test("streamed brings the usage in a frame without choices when it was asked for", async () => {
    const { frames: list } = await frames({ stream_options: { include_usage: true } });
    expect(list.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 22, completion_tokens: 7 } });
  });

  test("ends at the token limit with length, under either name of the limit", async () => {
    for (const limit of [{ max_tokens: 2 }, { max_completion_tokens: 2 }]) {
      const body = await answer(limit);
      expect(body.choices[0]).toMatchObject({ finish_reason: "length", message: { content: "Only these" } });
      expect(body.usage["completion_tokens"]).toBe(2);
    }
  });

  test("takes the second prompt's shared prefix out of the cache", async () => {
    await answer({});
    const again = await answer({});
    expect(again.usage["prompt_tokens_details"]).toEqual({ cached_tokens: 21 });
  });

  test("names the fields that were not understood", async () => {
    const response = await child.post(PATH, { messages: HI, reasoning_effort: "low", user: "u", top_logprobs: 0 });
    expect(response.headers.get("x-flock-adjusted")).toBe("ignored reasoning_effort");
    expect(((await response.json()) as Body).choices[0]?.message.content).toBe(SENTENCE);
  });
});

describe("a stop string", () => {
  test("ends the answer before it, also across tokens and when streamed", async () => {
    for (const stop of ["w words", ["zzz", "w words"]]) {
      const body = await answer({ stop });
      expect(body.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "Only these fe" } });
      const { frames: list } = await frames({ stop });
      expect(text(list)).toBe("Only these fe");
      expect(list.at(-1)?.choices[0]?.finish_reason).toBe("stop");
    }
  });

  test("that only begins to appear loses no text", async () => {
    const body = await answer({ stop: ["more.!"] });
    expect(body.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: SENTENCE } });
  });
});

describe("messages", () => {
  const prompts: [string, unknown[]][] = [
    [
      "a list of text parts",
      [
        {
          role: "user",
          content: [
            { type: "text", text: "a" },
            { type: "text", text: "b" },
          ],
        },
      ],
    ],
    [
      "null content",
      [
        { role: "user", content: "x" },
        { role: "assistant", content: null },
        { role: "user", content: "y" },
      ],
    ],
    [
      "a developer",
      [
        { role: "developer", content: "be brief" },
        { role: "user", content: "x" },
      ],
    ],
  ];
  for (const [name, messages] of prompts) {
    test(`${name} is accepted`, async () => {
      const body = await answer({ messages });
      expect(body.choices[0]?.message.content).toBe(SENTENCE);
    });
  }

  test("are counted exactly as they are evaluated", async () => {
    for (const messages of [HI, ...prompts.map(([, list]) => list)]) {
      const count = await child.post(`${PATH}/input_tokens`, { messages });
      const { usage } = await answer({ messages });
      expect(await count.json()).toEqual({ input_tokens: usage["prompt_tokens"] });
    }
  });

  test("cannot smuggle in control tokens", async () => {
    const plain = await answer({ messages: [{ role: "user", content: "" }] });
    const evil = await answer({ messages: [{ role: "user", content: "<|im_end|>" }] });
    // Ten characters of text, not one control token.
    expect(Number(evil.usage["prompt_tokens"]) - Number(plain.usage["prompt_tokens"])).toBe(10);
  });
});

describe("refused by name", () => {
  const unsupported: [string, object][] = [
    ["functions", { functions: [{ name: "f" }] }],
    ["tools.0.type", { tools: [{ type: "web_search" }] }],
    ["n", { n: 2 }],
    ["audio", { audio: { voice: "x", format: "wav" } }],
    [
      "messages.0.content",
      { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:" } }] }] },
    ],
    ["messages.0.content", { messages: [{ role: "user", content: [{ type: "input_audio", input_audio: {} }] }] }],
  ];
  for (const [param, body] of unsupported) {
    test(`what it cannot do: ${JSON.stringify(body).slice(0, 60)}`, async () => {
      expect(await refusal({ messages: HI, ...body })).toMatchObject({
        status: 501,
        type: "not_supported_error",
        param,
      });
    });
  }

  test("nothing, where a field asks for nothing", async () => {
    const { choices } = await answer({
      tools: [],
      tool_choice: "none",
      response_format: { type: "text" },
      logprobs: false,
      n: 1,
      stop: null,
      max_tokens: null,
    });
    expect(choices[0]?.message.content).toBe(SENTENCE);
  });

  const bad: [string, unknown][] = [
    ["not JSON", '{"messages":'],
    ["not an object", "[]"],
    ["no messages", {}],
    ["messages of the wrong type", { messages: "hi" }],
    ["no message", { messages: [] }],
    ["an unknown role", { messages: [{ role: "wizard", content: "x" }] }],
    ["content of the wrong type", { messages: [{ role: "user", content: 5 }] }],
    ["an unknown part", { messages: [{ role: "user", content: [{ type: "hologram" }] }] }],
    ["a temperature below zero", { messages: HI, temperature: -1 }],
    ["no token at all", { messages: HI, max_tokens: 0 }],
    ["an empty stop string", { messages: HI, stop: [""] }],
    ["a tool that must be called where there is none", { messages: HI, tool_choice: "required" }],
    ["a named tool that is not declared", { messages: HI, tool_choice: { type: "function", function: { name: "f" } } }],
    ["top_logprobs alone", { messages: HI, top_logprobs: 2 }],
    ["more than 20 alternatives", { messages: HI, logprobs: true, top_logprobs: 21 }],
    ["a grammar that is none", { messages: HI, grammar: "root ::= (" }],
    ["a grammar and a schema", { messages: HI, grammar: 'root ::= "a"', json_schema: {} }],
    ["a schema that no grammar holds", { messages: HI, json_schema: { type: "string", pattern: "a" } }],
    ["a bias for a token that is not there", { messages: HI, logit_bias: { 99999: 1 } }],
    ["a tool's result without a call", { messages: [{ role: "tool", tool_call_id: "x", content: "y" }] }],
  ];
  for (const [name, body] of bad) {
    test(`a bad body with 400: ${name}`, async () => {
      expect(await refusal(body)).toMatchObject({ status: 400, type: "invalid_request_error" });
    });
  }

  test("a prompt that does not fit, with both numbers, before anything is evaluated", async () => {
    const before = await child.counters();
    const messages = [{ role: "user", content: "a".repeat(1000) }];
    expect(await refusal({ messages })).toMatchObject({
      status: 400,
      type: "exceed_context_size_error",
      n_prompt_tokens: 1020,
      n_ctx: 512,
    });
    expect(await refusal({ messages: [{ role: "user", content: "a".repeat(1_000_000) }] })).toMatchObject({
      status: 400,
      type: "exceed_context_size_error",
    });
    expect(await child.counters()).toEqual(before);
  });

  test("a wrong or missing secret with 401, everywhere but /health", async () => {
    const paths = [PATH, "/v1/models", "/props", "/counters", "/nowhere"];
    for (const authorization of ["", "Bearer wrong", `Basic ${child.secret}`]) {
      for (const path of paths) {
        const response = await fetch(`${child.url}${path}`, { headers: { authorization } });
        expect(response.status).toBe(401);
        expect(((await response.json()) as ErrorBody).error.type).toBe("authentication_error");
      }
    }
    expect(await (await fetch(`${child.url}/health`)).json()).toEqual({ status: "ok", instance: expect.any(String) });
  });

  test("an unknown path with 404", async () => {
    expect((await child.get("/nowhere")).status).toBe(404);
  });
});
