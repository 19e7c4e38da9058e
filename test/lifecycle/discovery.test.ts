import { afterAll, beforeAll, expect, test } from "bun:test";
import { ATTACHED_TIMES } from "../../src/agent/attached-engine.ts";
import { startFlock, poll, type Flock } from "../support/start-flock.ts";
import { reply } from "../support/stand-in/flavor.ts";
import { mlxFlavor, vllmFlavor } from "../support/stand-in/flavors.ts";
import { ollamaFlavor } from "../support/stand-in/ollama-flavor.ts";
import { type StandIn, startStandIn } from "../support/stand-in/start-stand-in.ts";

// A whole Flock that finds a running Ollama, a vLLM and an MLX-LM; they are stand-ins. The tests build on one another.
let ollama: StandIn;
let vllm: StandIn;
let mlx: StandIn;
let flock: Flock;
beforeAll(async () => {
  ollama = await startStandIn(ollamaFlavor);
  vllm = await startStandIn(vllmFlavor);
  mlx = await startStandIn(mlxFlavor);
  const endpoints = { FLOCK_OLLAMA_ENDPOINT: ollama.url, FLOCK_VLLM_ENDPOINT: vllm.url, FLOCK_MLX_ENDPOINT: mlx.url };
  flock = await startFlock({
    env: { ...endpoints, VLLM_API_KEY: "vllm-secret", FLOCK_ENGINE_MLX_MODEL: "org/Tiny-4bit" },
  });
});
afterAll(async () => {
  await flock.stop();
  await ollama.stop();
  await vllm.stop();
  await mlx.stop();
});

const chat = (model: string): Promise<Response> =>
  flock.fetch("/v1/chat/completions", {
    method: "POST",
    body: JSON.stringify({ model, messages: [{ role: "user", content: "hi" }] }),
  });
const modelIds = async (): Promise<string[]> => {
  const { data } = (await (await flock.fetch("/v1/models")).json()) as { data: { id: string }[] };
  return data.map(({ id }) => id).sort();
};

test("flock up says which engines it found, and the smoke-test model steps back for them", async () => {
  const said = await poll(10_000, () => flock.stdout().includes("Flock is ready") && flock.stdout());
  expect(said).toContain(`✔ engine: ollama at ${ollama.url} (ollama 0.33.0, found running), 1 model`);
  expect(said).toContain(`✔ engine: vllm at ${vllm.url} (vllm 0.32.0, found running), 2 models`);
  expect(said).toContain("✔ default model: some-model");
  expect(await modelIds()).toEqual(["org/tiny-4bit", "some-model", "sql-lora"]);
  const status = await flock.cli("status");
  expect(status.stdout).toContain("ollama 0.33.0, found running");
  expect(status.stdout).not.toContain("vllm-secret");
});

test("each engine's models answer, vLLM with its key, a model of both by either", async () => {
  const adapter = await chat("sql-lora");
  expect(adapter.headers.get("x-flock-replica")).toBe("local/vllm/sql-lora");
  expect(vllm.seen.at(-1)).toMatchObject({ headers: { authorization: "Bearer vllm-secret" } });
  expect(vllm.seen.at(-1)?.body).toMatchObject({ model: "sql-lora", cache_salt: expect.any(String) });
  expect((await chat("some-model")).status).toBe(200);
});

test("MLX-LM gets one request at a time, and the name of the model that it was started with", async () => {
  mlx.script = { text: "one two three four", tokenDelayMs: 10 };
  const ask = (): Promise<string> =>
    flock
      .fetch("/v1/chat/completions", {
        method: "POST",
        body: JSON.stringify({ model: "org/tiny-4bit", stream: true, messages: [{ role: "user", content: "hi" }] }),
      })
      .then((answer) => answer.text());
  const answers = await Promise.all([ask(), ask(), ask()]);
  for (const answer of answers) expect(answer).toContain("[DONE]");
  expect(mlx.mostAtOnce).toBe(1);
  expect(new Set(mlx.seen.map(({ body }) => body.model))).toEqual(new Set(["org/Tiny-4bit"]));
});

test("a model that somebody pulls appears by itself, and one that is deleted goes", async () => {
  // Seen within five seconds, with time to spare for asking.
  expect(ATTACHED_TIMES.probeEveryMs).toBeLessThanOrEqual(2_000);
  const models = ["some-model:latest", "pulled:1b"].map((name) => ({ name, digest: `sha256:${name}`, size: 1 }));
  ollama.about["/api/tags"] = () => reply({ models });
  await poll(20_000, async () => (await modelIds()).includes("pulled:1b"));
  const answer = await chat("ollama:pulled:1b");
  expect(answer.status).toBe(200);
  expect(ollama.seen.at(-1)?.body).toMatchObject({
    model: "pulled:1b",
    truncate: false,
    shift: false,
    options: { num_ctx: 1024 },
  });
  ollama.about["/api/tags"] = () => reply({ models: models.slice(0, 1) });
  await poll(20_000, async () => !(await modelIds()).includes("pulled:1b"));
});

test("an engine that goes away is named with its endpoint and start command, on every client API", async () => {
  const models = [{ name: "only-here", digest: "sha256:o", size: 1 }];
  ollama.about["/api/tags"] = () => reply({ models });
  await poll(20_000, async () => (await modelIds()).includes("only-here"));
  await ollama.stop();
  await poll(20_000, async () => !(await modelIds()).includes("only-here"));
  const ask = (path: string, body: object): Promise<Response> =>
    flock.fetch(path, {
      method: "POST",
      body: JSON.stringify({ model: "only-here", messages: [{ role: "user", content: "hi" }], ...body }),
    });
  const text = `The engine ollama at ${ollama.url} does not answer. Start it with \`ollama serve\`.`;
  const openai = await ask("/v1/chat/completions", {});
  expect(openai.status).toBe(503);
  expect(await openai.json()).toMatchObject({ error: { code: "engine_unreachable", message: text } });
  const anthropic = await ask("/v1/messages", { max_tokens: 5 });
  expect(anthropic.status).toBe(529);
  expect(await anthropic.json()).toMatchObject({ error: { type: "overloaded_error", message: text } });
  const native = await ask("/api/chat", { stream: false });
  expect(native.status).toBe(503);
  expect(await native.json()).toEqual({ error: text });
});
