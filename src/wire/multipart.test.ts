import { expect, test } from "bun:test";
import fc from "fast-check";
import { boundaryOf, fieldText, parseForm, withField } from "./multipart.ts";

async function encode(fields: readonly (readonly [string, string | Blob, string?])[]) {
  const form = new FormData();
  for (const [name, value, file] of fields) {
    if (typeof value === "string") form.append(name, value);
    else form.append(name, value, file ?? "a");
  }
  const request = new Request("http://a", { method: "POST", body: form });
  const boundary = boundaryOf(request.headers.get("content-type") ?? "");
  return { bytes: new Uint8Array(await request.arrayBuffer()), boundary: boundary ?? "" };
}

test("what the platform writes is read, whatever bytes the file has", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.string({ unit: "grapheme" }), async (file, text) => {
      const blob = new Blob([new Uint8Array(file)]);
      const { bytes, boundary } = await encode([
        ["model", "m"],
        ["file", blob, 'so "new".wav'],
        ["prompt", text],
      ]);
      const parts = parseForm(bytes, boundary);
      if (!parts.ok) throw new Error(JSON.stringify(parts.error));
      const [model, sound, prompt] = [...parts.value.values()];
      expect([...parts.value.keys()]).toEqual(["model", "file", "prompt"]);
      expect(sound && [...bytes.subarray(sound.start, sound.end)]).toEqual([...file]);
      expect([model?.filename, typeof sound?.filename]).toEqual([null, "string"]);
      expect(prompt && fieldText(bytes, prompt)).toBe(text.replaceAll(/\r\n|\r|\n/g, "\r\n"));
      const renamed = model ? withField(bytes, model, "another name") : bytes;
      const again = await new Response(renamed, {
        headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
      }).formData();
      expect(again.get("model")).toBe("another name");
      expect((again.get("file") as File).size).toBe(file.length);
    }),
    { numRuns: 60 },
  );
});

test("a form that is cut anywhere is refused, and never read past its end", async () => {
  const { bytes, boundary } = await encode([
    ["model", "m"],
    ["file", new Blob(["abc"])],
  ]);
  for (let length = 0; length < bytes.length - 2; length += 1) {
    const cut = parseForm(bytes.subarray(0, length), boundary);
    if (cut.ok) expect(bytes.subarray(length - 2, length)).toEqual(new Uint8Array([0x2d, 0x2d]));
  }
});

test.each([
  ["", "boundary"],
  ["hello", "boundary"],
  ["--b\r\nx: y\r\n\r\n1\r\n--b--", "no name"],
  [
    '--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n2\r\n--b--',
    "twice",
  ],
  [`--b${'\r\ncontent-disposition: form-data; name="NR"\r\n\r\n1\r\n--b'.repeat(70)}--`, "parts"],
])("what is no form is refused: %j", (text, why) => {
  let count = 0;
  const parts = parseForm(Buffer.from(text.replaceAll("NR", () => `f${(count += 1)}`)), "b");
  expect(!parts.ok && "message" in parts.error && parts.error.message).toContain(why);
});

test.each<[string, string | null]>([
  ["multipart/form-data; boundary=abc", "abc"],
  ['Multipart/Form-Data; charset=utf-8; boundary="a b"', "a b"],
  ["multipart/form-data", null],
  ["multipart/mixed; boundary=abc", null],
  ["application/json", null],
  [`multipart/form-data; boundary=${"x".repeat(71)}`, null],
  ["multipart/form-data; boundary=a\u0001b", null],
])("the boundary of %j is %j", (type, boundary) => {
  expect(boundaryOf(type)).toBe(boundary);
});
