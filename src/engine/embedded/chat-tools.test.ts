import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startTestChild, type TestChild } from "./test-child.ts";

const PATH = "/v1/chat/completions";
const HI = [{ role: "user", content: "what time is it?" }];
const CALL = '<tool_call>\n{"name": "get_time", "arguments": {"zone": "UTC"}}\n</tool_call>';

const TIME = tool("get_time", {
  type: "object",
  properties: { zone: { type: "string", maxLength: 8 }, hours: { type: "integer", minimum: 0, maximum: 24 } },
  required: ["zone"],
  additionalProperties: false,
});
const ADD = tool("add", {
  type: "object",
  properties: { a: { type: "integer" }, b: { enum: [1, 2, null] } },
  required: ["a", "b"],
});

const NOISE = { temperature: 3, top_k: 0, top_p: 1, min_p: 0 };

interface Call {
  readonly index?: number;
  readonly id?: string;
  readonly type?: string;
  readonly function: { readonly name?: string; readonly arguments: string };
}
interface Message {
  readonly content?: string | null;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly Call[];
}
interface Choice {
  readonly finish_reason: string | null;
  readonly message: Message;
  readonly delta: Message;
}

function tool(name: string, parameters: object): object {
  return { type: "function", function: { name, description: `does ${name}`, parameters } };
}

async function choice(child: TestChild, body: object): Promise<Choice> {
  const response = await child.post(PATH, { messages: HI, ...body });
  const answer = (await response.json()) as { choices: Choice[] };
  expect({ status: response.status, answer }).toMatchObject({ status: 200 });
  return answer.choices[0] as Choice;
}

async function deltas(child: TestChild, body: object): Promise<{ deltas: Message[]; reason: string | null }> {
  const response = await child.post(PATH, { messages: HI, stream: true, ...body });
  expect(response.status).toBe(200);
  const frames = (await response.text()).split("\n\n").filter((frame) => frame.startsWith("data: {"));
  const choices = frames.flatMap((frame) => (JSON.parse(frame.slice(6)) as { choices: Choice[] }).choices);
  return { deltas: choices.map(({ delta }) => delta), reason: choices.at(-1)?.finish_reason ?? null };
}

describe("a model that calls", () => {
  let child: TestChild;
  beforeAll(async () => {
    child = await startTestChild({ kind: "says", text: `Wait.\n${CALL}` }, { template: "tools", windowTokens: 2048 });
  }, 30_000);
  afterAll(() => child.stop());

  test("has its call in the answer, apart from the text", async () => {
    expect(await choice(child, { tools: [TIME] })).toEqual({
      finish_reason: "tool_calls",
      index: 0,
      message: {
        role: "assistant",
        content: "Wait.",
        tool_calls: [
          {
            id: expect.stringMatching(/^call_/),
            type: "function",
            function: { name: "get_time", arguments: '{"zone": "UTC"}' },
          },
        ],
      },
    } as never);
  });

  test("has its call streamed: the name first, then the arguments as they come", async () => {
    const { deltas: all, reason } = await deltas(child, { tools: [TIME] });
    expect(reason).toBe("tool_calls");
    expect(all.map(({ content }) => content ?? "").join("")).toBe("Wait.");
    const [first, ...rest] = all.flatMap(({ tool_calls: calls }) => calls ?? []);
    expect(first).toEqual({
      index: 0,
      id: expect.stringMatching(/^call_/),
      type: "function",
      function: { name: "get_time", arguments: "" },
    } as never);
    expect(rest.length).toBeGreaterThan(1);
    expect(rest.every((call) => call.index === 0 && call.id === undefined)).toBe(true);
    expect(rest.map((call) => call.function.arguments).join("")).toBe('{"zone": "UTC"}');
  });

  test("is just read when no tool was declared, or none may be called", async () => {
    for (const body of [{}, { tools: [TIME], tool_choice: "none" }]) {
      const { finish_reason: reason, message } = await choice(child, body);
      expect({ reason, message }).toEqual({
        reason: "stop",
        message: { role: "assistant", content: `Wait.\n${CALL}` } as never,
      });
    }
  });

  test("has a call that was cut off given back as text", async () => {
    const { finish_reason: reason, message } = await choice(child, { tools: [TIME], max_tokens: 4 });
    expect(reason).toBe("length");
    expect(message.tool_calls).toBeUndefined();
    expect(`Wait.\n${CALL}`).toStartWith(message.content ?? "-");
    expect(message.content).toContain("<tool_call>");
  });

  test("is told of declared tools, which count as prompt", async () => {
    const count = async (body: object) =>
      ((await (await child.post(`${PATH}/input_tokens`, { messages: HI, ...body })).json()) as { input_tokens: number })
        .input_tokens;
    const withTool = await count({ tools: [TIME] });
    expect(withTool).toBeGreaterThan((await count({})) + 100);
    expect(await count({ tools: [TIME], tool_choice: "none" })).toBe(await count({}));
    const response = await child.post(PATH, { messages: HI, tools: [TIME] });
    expect((await response.json()) as object).toMatchObject({ usage: { prompt_tokens: withTool } });
  });

  test("says in its properties that it knows tools", async () => {
    expect(await (await child.get("/props")).json()).toMatchObject({ abilities: { tools: true, thinking: false } });
  });
});

for (const template of ["tools", "chatml"] as const) {
  describe(`a model of noise that must call (${template})`, () => {
    let child: TestChild;
    beforeAll(async () => {
      child = await startTestChild({ kind: "random", seed: 7 }, { template, windowTokens: 4096, slots: 2 });
    }, 30_000);
    afterAll(() => child.stop());

    test("calls one of the tools, with arguments that fit", async () => {
      const names = new Set<string>();
      for (let seed = 1; seed <= 8; seed++) {
        const body = { tools: [TIME, ADD], tool_choice: "required", parallel_tool_calls: false, ...NOISE, seed };
        const { finish_reason: reason, message } = await choice(child, body);
        expect(reason).toBe("tool_calls");
        expect(message.content).toBeNull();
        expect(message.tool_calls).toHaveLength(1);
        const called = message.tool_calls?.[0]?.function;
        names.add(called?.name ?? "");
        checkArguments(called?.name ?? "", called?.arguments ?? "");
      }
      expect([...names].toSorted()).toEqual(["add", "get_time"]);
    }, 20_000);

    test("calls the named one", async () => {
      const forced = { type: "function", function: { name: "add" } };
      const { deltas: all, reason } = await deltas(child, { tools: [TIME, ADD], tool_choice: forced });
      expect(reason).toBe("tool_calls");
      const calls = all.flatMap(({ tool_calls: list }) => list ?? []);
      expect(calls[0]?.function.name).toBe("add");
      checkArguments("add", calls.map((call) => call.function.arguments).join(""));
    }, 20_000);

    test("may call several at once", async () => {
      const body = { tools: [ADD], tool_choice: "required", temperature: 1.2, seed: 3, max_tokens: 1500 };
      const { message } = await choice(child, body);
      for (const call of message.tool_calls ?? []) checkArguments(call.function.name ?? "", call.function.arguments);
      expect(message.tool_calls?.length).toBeGreaterThan(0);
    }, 20_000);
  });
}

function checkArguments(name: string, json: string): void {
  const given = JSON.parse(json) as Record<string, unknown>;
  if (name === "get_time") {
    expect(typeof given["zone"]).toBe("string");
    expect(Object.keys(given).every((key) => key === "zone" || key === "hours")).toBe(true);
  } else {
    expect(Number.isInteger(given["a"])).toBe(true);
    expect([1, 2, null]).toContain(given["b"] as number | null);
  }
}

describe("a model that thinks", () => {
  const THOUGHT = "Somebody greets me, so I greet back.";
  let child: TestChild;
  beforeAll(async () => {
    const text = `<think>\n${THOUGHT}\n</think>\n\n Hello there.`;
    child = await startTestChild({ kind: "says", text }, { template: "thinking", windowTokens: 1024 });
  }, 30_000);
  afterAll(() => child.stop());

  test("has its thinking apart from the answer, whole and streamed", async () => {
    const { message } = await choice(child, {});
    expect(message).toMatchObject({ content: "Hello there.", reasoning_content: THOUGHT });
    const { deltas: all } = await deltas(child, {});
    expect(all.map((delta) => delta.reasoning_content ?? "").join("")).toBe(THOUGHT);
    expect(all.map((delta) => delta.content ?? "").join("")).toBe("Hello there.");
  });

  test("has it in the text where that is asked for", async () => {
    const { message } = await choice(child, { reasoning_format: "none" });
    expect(message.content).toBe(`<think>\n${THOUGHT}\n</think>\n\n Hello there.`);
    expect(message.reasoning_content).toBeUndefined();
  });

  test("stops thinking when its budget is used up", async () => {
    const { message } = await choice(child, { thinking_budget: 3, max_tokens: 40 });
    expect(THOUGHT).toStartWith(message.reasoning_content ?? "-");
    expect(message.reasoning_content?.length).toBeLessThan(THOUGHT.length);
  });

  test("is told not to think in the template's own way", async () => {
    const prompt = async (body: object) =>
      ((await (await child.post(PATH, { messages: HI, ...body })).json()) as { usage: { prompt_tokens: number } }).usage
        .prompt_tokens;
    const thinking = await prompt({});
    for (const body of [{ reasoning_effort: "none" }, { chat_template_kwargs: { enable_thinking: false } }]) {
      expect(await prompt(body)).toBeGreaterThan(thinking);
    }
  });

  test("keeps to a schema behind its thinking", async () => {
    const body = { response_format: { type: "json_schema", json_schema: { schema: { enum: ["yes", "no"] } } } };
    const { message } = await choice(child, body);
    expect(["yes", "no"]).toContain(JSON.parse(message.content ?? "") as string);
    expect(message.reasoning_content).toBe(THOUGHT);
  });

  test("counts its thinking, and says that it thinks", async () => {
    const body = (await (await child.post(PATH, { messages: HI })).json()) as { usage: object };
    expect(body.usage).toMatchObject({ completion_tokens_details: { reasoning_tokens: expect.any(Number) } });
    expect(await (await child.get("/props")).json()).toMatchObject({ abilities: { thinking: true, tools: false } });
  });
});
