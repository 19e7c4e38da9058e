import { afterAll, beforeAll, expect, test } from "bun:test";
import { startTestChild, type TestChild, until } from "./test-child.ts";

const PATH = "/v1/chat/completions";
const REQUESTS = 1000;
const WARM_AFTER = 200;
const AT_ONCE = 6;
/** What is kept and fragments settle at after the first requests may still move a little. */
const GROWTH_BYTES = 48e6;

let child: TestChild;
beforeAll(async () => {
  child = await startTestChild(
    { kind: "random", seed: 21, layers: 1, embedding: 32 },
    { template: "tools", contextTokens: 2048, windowTokens: 2048, slots: 4 },
  );
}, 30_000);
afterAll(() => child.stop());

const TOOLS = [
  {
    type: "function",
    function: { name: "add", parameters: { type: "object", properties: { a: { type: "integer" } }, required: ["a"] } },
  },
];
const FORCED = { tools: TOOLS, tool_choice: "required", parallel_tool_calls: false };

/** One request of kind `n`; true when it was answered as it should be. */
async function request(n: number): Promise<boolean> {
  const messages = [{ role: "user", content: `request ${n} ${"pad ".repeat(n % 90)}` }];
  const base = { messages, max_tokens: 8, seed: n };
  const status = async (path: string, body: object): Promise<number> => {
    const response = await child.post(path, body);
    await response.text();
    return response.status;
  };
  switch (n % 8) {
    case 0:
      return (await status(PATH, base)) === 200;
    case 1:
      return (await status(PATH, { ...base, stream: true, temperature: 0 })) === 200;
    case 2:
      return (await status(PATH, { ...base, json_schema: { enum: [n, "x"] } })) === 200;
    case 3:
      return (await status(PATH, { ...base, ...FORCED, max_tokens: 100 })) === 200;
    case 4:
      return (await status("/v1/embeddings", { input: [`text ${n}`, "other"] })) === 200;
    case 5:
      return (await status(PATH, { ...base, logprobs: true, top_logprobs: 5, max_tokens: 3 })) === 200;
    case 6:
      return (await status(PATH, { ...base, messages: [{ role: "user", content: "a".repeat(3000) }] })) === 400;
    default: {
      const abort = new AbortController();
      const response = await child.post(PATH, { ...base, stream: true, max_tokens: 1500 }, abort.signal);
      await response.body?.getReader().read();
      abort.abort();
      return response.status === 200;
    }
  }
}

async function rss(): Promise<number> {
  await until("it is idle", async () => {
    const now = await child.counters();
    return now.sequencesBusy === 0 && now.requestsWaiting === 0;
  });
  return ((await (await child.get("/memory")).json()) as { rss_bytes: number }).rss_bytes;
}

test("a thousand requests of all kinds leave the memory as it was after the first two hundred", async () => {
  let next = 0;
  let right = 0;
  const work = async (end: number): Promise<void> => {
    while (next < end) if (await request(next++)) right++;
  };
  const upTo = (end: number) => Promise.all(Array.from({ length: AT_ONCE }, () => work(end)));
  await upTo(WARM_AFTER);
  const warm = await rss();
  await upTo(REQUESTS);
  const after = await rss();
  expect(right).toBe(REQUESTS);
  expect({ grownBytes: after - warm, warm }).toMatchObject({ grownBytes: expect.any(Number) });
  expect(after - warm).toBeLessThan(GROWTH_BYTES);
  const counters = await child.counters();
  expect(counters.requestsFailed).toBe(0);
  expect(counters.requestsFinished + counters.requestsAborted).toBe(counters.requestsStarted);
}, 60_000);
