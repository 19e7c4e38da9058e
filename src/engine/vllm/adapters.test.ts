import { expect, test } from "bun:test";
import { loadVllmAdapter, unloadVllmAdapter } from "./adapters.ts";

const never = new AbortController().signal;

function error(code: number, type: string, message: string): Response {
  return Response.json({ error: { message, type, param: null, code } }, { status: code });
}

async function load(answer: Response): Promise<unknown> {
  using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => answer });
  const at = { url: `http://127.0.0.1:${server.port}`, secret: "k" };
  return await loadVllmAdapter(at, { name: "two", path: "/adapters/two" }, never);
}

// Recorded from vLLM 0.32.0.
test("success is plain text, and an adapter that is loaded already is as good", async () => {
  expect(await load(new Response("Success: LoRA adapter 'two' added successfully."))).toMatchObject({ ok: true });
  const message = "The lora adapter 'two' has already been loaded. If you want to load the adapter in place, …";
  expect(await load(error(400, "InvalidUserInput", message))).toMatchObject({ ok: true });
});

test("a path with nothing in it is not taken for a server without adapters", async () => {
  const refused = await load(
    error(404, "NotFoundError", "Loading lora two failed: No adapter found for /adapters/two"),
  );
  expect(refused).toMatchObject({ ok: false, error: { message: expect.stringContaining("No adapter found for") } });
});

test("a server that was not started for them is told how to be", async () => {
  const refused = await load(Response.json({ detail: "Not Found" }, { status: 404 }));
  expect(refused).toMatchObject({ ok: false, error: { mend: expect.stringContaining("--enable-lora") } });
});

test("an adapter that is not there cannot be taken off", async () => {
  const answer = error(404, "NotFoundError", "The lora adapter 'two' cannot be found.");
  using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => answer });
  const at = { url: `http://127.0.0.1:${server.port}`, secret: "" };
  const removed = await unloadVllmAdapter(at, "two", never);
  expect(removed).toMatchObject({ ok: false, error: { message: expect.stringContaining("cannot be found") } });
});
