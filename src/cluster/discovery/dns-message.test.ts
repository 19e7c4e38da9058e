import { expect, test } from "bun:test";
import fc from "fast-check";
import { asksForLeaders, decodeAnswer, encodeAnswer, encodeQuestion } from "./dns-message.ts";

const LEADER = { name: "big-box", port: 8080, scheme: "http", version: "0.1.0" } as const;

test("a question is known as one, and its answer tells the leader", () => {
  expect(asksForLeaders(encodeQuestion())).toBe(true);
  expect(decodeAnswer(encodeAnswer(LEADER, 7))).toEqual(LEADER);
  expect(decodeAnswer(encodeAnswer({ ...LEADER, name: "Röntgen.local", scheme: "https" }, 0))).toMatchObject({
    name: "R-ntgen-local",
    scheme: "https",
  });
  expect(asksForLeaders(encodeAnswer(LEADER, 0))).toBe(false);
  expect(decodeAnswer(encodeQuestion())).toBeNull();
});

test("an answer with names that point back is read", () => {
  const plain = Buffer.from(encodeAnswer(LEADER, 0));
  // The third record's name, written as a pointer to where the second's stands.
  const name = Buffer.concat([Buffer.from([7]), Buffer.from("big-box"), Buffer.from("\x06_flock\x04_tcp\x05local\0")]);
  const second = plain.indexOf(name, plain.indexOf(name) + 1);
  const third = plain.indexOf(name, second + 1);
  const short = Buffer.concat([
    plain.subarray(0, third),
    Buffer.from([0xc0 | (second >> 8), second & 0xff]),
    plain.subarray(third + name.length),
  ]);
  expect(decodeAnswer(short)).toEqual(LEADER);
});

test("any bytes, cut and changed answers among them, are read or refused, never more", () => {
  const whole = encodeAnswer(LEADER, 0);
  fc.assert(
    fc.property(fc.nat(whole.length), fc.nat(whole.length - 1), fc.nat(255), (length, at, byte) => {
      const bytes = Uint8Array.from(whole);
      bytes[at] = byte;
      decodeAnswer(bytes.subarray(0, length));
      asksForLeaders(bytes.subarray(0, length));
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void [decodeAnswer(bytes), asksForLeaders(bytes)]),
  );
  const loop = Buffer.from([0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0xc0, 12, 0, 0]);
  expect(decodeAnswer(loop)).toBeNull();
});
