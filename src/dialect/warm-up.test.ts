import { expect, test } from "bun:test";
import { join } from "node:path";

test("after it a translated request builds no schema", async () => {
  const at = (file: string): string => JSON.stringify(join(import.meta.dir, file));
  // zod calls this hook for every schema that is built.
  const script = `
    import { z } from "zod";
    let built = 0;
    z.config({ postProcessor: () => void (built += 1) });
    const { warmUp } = await import(${at("warm-up.ts")});
    const { anthropicMessages } = await import(${at("anthropic-messages/dialect.ts")});
    const { openaiChat } = await import(${at("openai-chat/dialect.ts")});
    warmUp();
    const before = built;
    const messages = [{ role: "user", content: "hi" }];
    const { ok } = anthropicMessages.parseRequest({ model: "m", max_tokens: 5, messages });
    const message = { role: "assistant", content: "hello" };
    const events = openaiChat.fromResponseBody(JSON.stringify({ choices: [{ index: 0, message, finish_reason: "stop" }] }));
    console.log(JSON.stringify([before > 100, built - before, ok, events.at(-1).type]));`;
  const child = Bun.spawn([process.execPath, "-e", script], {
    cwd: import.meta.dir,
    stdout: "pipe",
    stderr: "inherit",
  });
  expect(JSON.parse(await new Response(child.stdout).text())).toEqual([true, 0, true, "done"]);
});
