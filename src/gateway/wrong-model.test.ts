import { expect, test } from "bun:test";
import type { ChatEvent, StreamDecoder } from "../core/chat-event.ts";
import { checkingModel, wrongModelIn } from "./wrong-model.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("the first frame tells whose answer it is", () => {
  const frame = (model: string) => bytes(`data: {"choices":[],"model": ${JSON.stringify(model)},"id":"x"}\n\n`);
  expect(wrongModelIn(frame("tiny"), "tiny")).toBeNull();
  expect(wrongModelIn(frame('a "quoted" name'), 'a "quoted" name')).toBeNull();
  expect(wrongModelIn(frame("other"), "tiny")).toMatchObject({ cause: "it answers as other, not as tiny" });
});

test("a frame without a name, cut off, or with one in a text only, says nothing", () => {
  expect(wrongModelIn(bytes('data: {"choices":[]}\n\n'), "tiny")).toBeNull();
  expect(wrongModelIn(bytes('data: {"model":"oth'), "tiny")).toBeNull();
  expect(wrongModelIn(bytes('data: {"content":"{\\"model\\":\\"x\\"}"}\n\n'), "tiny")).toBeNull();
});

test("a translated answer fails once, and says nothing more", () => {
  const text: ChatEvent = { type: "text", text: "hi" };
  const decoder: StreamDecoder = { push: () => [{ type: "start", model: "other" }, text], end: () => [text] };
  const checked = checkingModel(decoder, "tiny");
  expect(checked.push(bytes(""))).toEqual([expect.objectContaining({ type: "failed" })]);
  expect(checked.end()).toEqual([]);
  expect(checkingModel(decoder, "other").push(bytes(""))).toHaveLength(2);
});
