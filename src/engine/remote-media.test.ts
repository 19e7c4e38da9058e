import { expect, test } from "bun:test";
import { openaiChat } from "../dialect/openai-chat/dialect.ts";
import { scanBody } from "../wire/scan-body.ts";
import { isInside, remoteMedia, remoteMediaIn } from "./remote-media.ts";

const DATA = "data:image/png;base64,iVBORw0KGgo=";
const message = (...content: object[]) => ({ model: "m", messages: [{ role: "user", content }] });
const image = (url: string) => ({ type: "image_url", image_url: { url } });

function passed(body: object) {
  const scanned = scanBody(new TextEncoder().encode(JSON.stringify(body)));
  return scanned.ok ? remoteMediaIn(scanned.value) : scanned.error;
}

const outside: [string, object][] = [
  ["an image of a machine without a domain", image("http://intranet/cat.png")],
  ["an image of the network's inside", image("http://169.254.169.254/latest/meta-data")],
  ["a file of the engine's machine", image("file:///etc/passwd")],
  ["a video of vLLM's", { type: "video_url", video_url: { url: "http://10.0.0.1/v" } }],
  ["the short form", { type: "image_url", image_url: "http://10.0.0.1/i" }],
];
for (const [name, part] of outside) {
  test(`${name} is refused by name before an engine sees it`, () => {
    const failure = { kind: "unsupported", capability: expect.stringContaining("URLs") };
    expect(passed(message({ type: "text", text: "what?" }, image(DATA), part))).toMatchObject(failure);
  });
}

test("data is no address, nor is a text that speaks of one", () => {
  const text = JSON.stringify(message(image("http://10.0.0.1/x.png")));
  expect(passed(message({ type: "text", text }, image(DATA)))).toBeNull();
  expect(passed({ model: "m", messages: [{ role: "user", content: text }] })).toBeNull();
});

test("a translated request is looked at in the same way", () => {
  const asked = (url: string) => openaiChat.parseRequest(message(image(url)));
  const [remote, local] = [asked("http://192.168.1.1/cat.png"), asked(DATA)];
  expect(remote.ok && remoteMedia(remote.value)).toMatchObject({ kind: "unsupported", capability: "image URLs" });
  expect(local.ok && remoteMedia(local.value)).toBeNull();
});

test("every way to write an address of the inside is known", () => {
  const inside = [
    "http://127.0.0.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://[::1]/",
    "http://[::ffff:10.0.0.1]/",
  ];
  inside.push("http://[fd00::1]/", "http://[fe80::1]/", "http://100.64.0.1/", "http://172.31.0.1/", "http://0.0.0.0/");
  inside.push(
    "http://localhost:8080/",
    "http://printer.local/",
    "http://vault.corp.internal/",
    "ftp://example.com/",
    "cat.png",
  );
  expect(inside.filter((url) => !isInside(url))).toEqual([]);
  const outside = [
    "https://example.com/cat.png",
    "http://8.8.8.8/",
    "http://172.32.0.1/",
    DATA,
    "https://[2606:4700::1]/",
  ];
  expect(outside.filter((url) => isInside(url))).toEqual([]);
});
