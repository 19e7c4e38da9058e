import { expect, test } from "bun:test";
import { able } from "../../core/test-replica.ts";
import { llamaCppManager } from "./manage.ts";

const signal = new AbortController().signal;

/** What llama-server 0.5.0 answers, cut to what is looked at and a little more. */
const PROPS = {
  default_generation_settings: { params: { seed: 1 }, n_ctx: 1024 },
  total_slots: 2,
  model_alias: "/models/Tiny-Says.gguf",
  modalities: { vision: true, video: false, audio: false },
  chat_template_caps: { supports_tools: true },
  build_info: "b1-de3ff81",
};
const MODELS = { object: "list", data: [{ id: "/models/Tiny-Says.gguf", object: "model" }] };

interface Replay {
  readonly health?: Response;
  readonly props?: Response;
  readonly key?: string;
}

async function probe(replay: Replay, secret = ""): Promise<unknown> {
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/health") return replay.health ?? Response.json({ status: "ok" });
      if (replay.key !== undefined && request.headers.get("authorization") !== `Bearer ${replay.key}`) {
        return Response.json({ error: { code: 401, message: "Invalid API Key", type: "x" } }, { status: 401 });
      }
      if (pathname === "/v1/embeddings") return Response.json({ error: { code: 400 } }, { status: 400 });
      if (pathname === "/v1/rerank") return Response.json({ error: { code: 501 } }, { status: 501 });
      if (pathname === "/props") return replay.props ?? Response.json(PROPS);
      if (pathname === "/v1/models") return Response.json(MODELS);
      return new Response("File Not Found", { status: 404 });
    },
  });
  return await llamaCppManager.probe({ url: `http://127.0.0.1:${server.port}`, secret }, signal);
}

test("a llama-server says its model, window, slots and what the model can", async () => {
  expect(await probe({ key: "k" }, "k")).toEqual({
    ok: true,
    value: {
      version: "b1-de3ff81",
      gpu: null,
      models: [
        {
          model: "tiny-says",
          engineModel: "/models/Tiny-Says.gguf",
          contextTokens: 1024,
          slots: 2,
          abilities: able("chat", "embeddings", "tools", "images"),
          smokeTest: false,
        },
      ],
    },
  });
});

const failing: [string, Replay, string][] = [
  ["one that still loads", { health: Response.json({ error: { code: 503 } }, { status: 503 }) }, "engine_unreachable"],
  ["one that wants another key", { key: "other" }, "engine_failed"],
  ["a server that answers 200 to everything", { props: Response.json({ ok: true }) }, "engine_failed"],
  ["a server that answers pages", { props: new Response("<html>") }, "engine_failed"],
];
for (const [name, replay, kind] of failing) {
  test(`${name} is a failure`, async () => {
    expect(await probe(replay, "k")).toMatchObject({ ok: false, error: { kind } });
  });
}

test("a signal that fires ends the question", async () => {
  const hanging = Promise.withResolvers<Response>();
  using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => hanging.promise });
  const abort = new AbortController();
  const asked = llamaCppManager.probe({ url: `http://127.0.0.1:${server.port}`, secret: "" }, abort.signal);
  abort.abort();
  expect(await asked).toMatchObject({ ok: false, error: { kind: "engine_unreachable" } });
  hanging.resolve(new Response());
});

test("its template tells how calls can be found in text, where that is unambiguous", async () => {
  const withTemplate = (chat_template: string): Promise<unknown> =>
    probe({ props: Response.json({ ...PROPS, chat_template }) });
  expect(await withTemplate("… <tool_call>\n{…}\n</tool_call> …")).toMatchObject({
    value: { models: [{ toolSyntax: "hermes" }] },
  });
  expect(await withTemplate("<|im_start|>")).not.toHaveProperty("value.models.0.toolSyntax");
});
