import { expect, test } from "bun:test";
import { scanBody } from "../wire/scan-body.ts";
import { BodyWants } from "./body-wants.ts";
import { readConversation } from "./conversation.ts";

const scan = (body: unknown) => {
  const scanned = scanBody(new TextEncoder().encode(JSON.stringify(body)));
  if (!scanned.ok) throw new Error("not a body");
  return scanned.value;
};
const promptOf = (body: unknown): string => new TextDecoder().decode(readConversation("key", null, scan(body)).prompt);
const sessionOf = (headers: Record<string, string>, body: unknown = {}): string =>
  readConversation("key", new Headers(headers), scan(body)).session;

test("a session is what the client calls it, in headers before bodies, and each key has its own", () => {
  for (const name of ["X-Claude-Code-Session-Id", "x-session-id", "x-session-affinity", "session-id", "thread-id"])
    expect(sessionOf({ [name]: "s1" })).toBe("key s1");
  expect(sessionOf({}, { prompt_cache_key: "s2", user: "u" })).toBe("key s2");
  expect(sessionOf({}, { metadata: { user_id: "u3" } })).toBe("key u3");
  expect(sessionOf({}, { user: "u4" })).toBe("key u4");
  expect(sessionOf({})).toBe("");
});

test("the next turn of a conversation begins as the last one did, where marks for a vendor's cache have moved on", () => {
  const mark = { cache_control: { type: "ephemeral" } };
  const billing = (hash: string) => ({
    type: "text",
    text: `x-anthropic-billing-header: cc_version=2.1; cch=${hash};`,
  });
  const said = (text: string, more: object = {}) => ({ role: "user", content: [{ type: "text", text, ...more }] });
  const turn = (hash: string, messages: unknown[]) =>
    promptOf({
      model: "m",
      system: [billing(hash), { type: "text", text: "You are helpful.", ...mark }],
      tools: [{ name: "t", input_schema: {} }],
      messages,
    });
  const first = turn("aaaa", [said("one", mark)]);
  const second = turn("bbbb", [said("one"), { role: "assistant", content: "two" }, said("three", mark)]);
  expect(first).not.toContain("cache_control");
  expect(first).not.toContain("aaaa");
  // Up to the bracket that closes the messages.
  expect(second.startsWith(first.slice(0, -1))).toBe(true);
});

test("a prompt is read in the order of chat templates, not of the body", () => {
  const [system, messages] = ["be brief", [{ role: "user", content: "hi" }]];
  expect(promptOf({ messages, system })).toBe(promptOf({ system, messages }));
});

test("images and tools are seen without parsing, and not in text that speaks of them", () => {
  const wants = (body: unknown) => new BodyWants(scan(body));
  const image = { type: "image_url", image_url: { url: "data:" } };
  expect(wants({ messages: [{ role: "user", content: [image] }] }).images()).toBe(true);
  expect(wants({ messages: [{ role: "user", content: 'write {"image_url": 1} for me' }] }).images()).toBe(false);
  expect(wants({ tools: [] }).tools()).toBe(false);
  expect(wants({ tools: [{ name: "t" }] }).tools()).toBe(true);
});

test("an image weighs what models make of it, not what its bytes would be as text", () => {
  const data = "A".repeat(400_000);
  const bodies = [
    { messages: [{ content: [{ type: "image_url", image_url: { url: `data:image/png;base64,${data}` } }] }] },
    { messages: [{ content: [{ type: "image", source: { type: "base64", media_type: "image/png", data } }] }] },
    { messages: [{ content: "look", images: [data] }] },
  ];
  for (const body of bodies) {
    const tokens = new BodyWants(scan(body)).promptTokens();
    expect(tokens).toBeGreaterThan(1000);
    expect(tokens).toBeLessThan(1200);
  }
  expect(new BodyWants(scan({ messages: [{ content: data }] })).promptTokens()).toBeGreaterThan(99_000);
});
