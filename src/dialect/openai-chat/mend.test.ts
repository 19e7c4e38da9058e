import { expect, test } from "bun:test";
import type { JsonObject } from "../../core/chat-request.ts";
import { scanBody } from "../../wire/scan-body.ts";
import { splice } from "../../wire/splice.ts";
import { mendBody } from "./mend.ts";

/** The body as the engine gets it, and what was said of it. */
function mended(
  body: JsonObject,
  contextTokens = 8192,
): { readonly sent: JsonObject; readonly adjusted: readonly string[] } {
  const scanned = scanBody(Buffer.from(JSON.stringify(body)));
  if (!scanned.ok) throw new Error("not a body");
  const { set, remove, adjusted } = mendBody(scanned.value, contextTokens);
  return { sent: JSON.parse(Buffer.from(splice(scanned.value, { set, remove })).toString()) as JsonObject, adjusted };
}

const say = (role: string, content: string): JsonObject => ({ role, content });

test("a plain conversation passes byte for byte", () => {
  const call = { id: "c", type: "function", function: { name: "f", arguments: '{"role":"system"}' } };
  const messages = [
    say("system", 'Quote: {"role":"developer"}'),
    say("user", "q"),
    { role: "assistant", content: null, tool_calls: [call] },
    { role: "tool", tool_call_id: "c", content: "r" },
    { role: "tool", tool_call_id: "d", content: "r" },
    say("assistant", "a"),
  ];
  const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
  const body = { model: "m", messages, tools, max_tokens: 100, odd: [1] };
  expect(mended(body)).toEqual({ sent: body, adjusted: [] });
});

test("developers and late system messages become what every template takes", () => {
  const before = [say("system", "A"), say("developer", "B"), say("user", "q"), say("assistant", "a")];
  const { sent, adjusted } = mended({ messages: [...before, say("system", "C"), say("user", "more")], seed: 1 });
  expect(sent).toEqual({
    messages: [
      say("system", "A\n\nB"),
      say("user", "q"),
      say("assistant", "a"),
      say("user", "<system-reminder>\nC\n</system-reminder>\n\nmore"),
    ],
    seed: 1,
  });
  expect(adjusted).toEqual(["developer messages as system", "system messages folded"]);
});

test("one developer alone is a system message, and keeps its other fields", () => {
  const { sent } = mended({ messages: [{ ...say("developer", "A"), name: "n" }, say("user", "q")] });
  expect(sent.messages).toEqual([{ ...say("system", "A"), name: "n" }, say("user", "q")]);
});

test("a user who speaks twice is heard once, in parts where one of them has parts", () => {
  const image = { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } };
  const messages = [say("user", "a"), { role: "user", content: [image] }, say("user", "b")];
  const content = [{ type: "text", text: "a" }, image, { type: "text", text: "b" }];
  expect(mended({ messages })).toEqual({ sent: { messages: [{ role: "user", content }] }, adjusted: ["turns joined"] });
});

test("a tool without parameters takes none, and a limit beyond the window is lifted", () => {
  const tools = [{ type: "function", function: { name: "f" } }];
  const { sent, adjusted } = mended({ messages: [say("user", "q")], tools, max_tokens: 8192 });
  const parameters = { type: "object", properties: {} };
  expect(sent).toEqual({
    messages: [say("user", "q")],
    tools: [{ type: "function", function: { name: "f", parameters } }],
  });
  expect(adjusted).toEqual(["tools without parameters take none", "max_tokens fitted to the context"]);
});

test("what is no list of messages is left for the engine to refuse", () => {
  for (const messages of ["developer", [{ role: "developer" }, 7], { role: "developer" }]) {
    expect(mended({ messages })).toEqual({ sent: { messages }, adjusted: [] });
  }
});
