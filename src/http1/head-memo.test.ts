import { expect, test } from "bun:test";
import { HeadMemo } from "./head-memo.ts";

const HEAD = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nContent-Length: 120\r\nauthorization: Bearer x";

function recall(first: string, second: string): [string | null, number] {
  const memo = new HeadMemo<string>();
  const bytes = Buffer.from(`..${first}..`);
  memo.remember(bytes, 2, 2 + first.length, "known");
  bytes.fill(0);
  return [memo.recall(Buffer.from(`.${second}`), 1, 1 + second.length), memo.length];
}

test("the same head is known again, also with another length of its body", () => {
  expect(recall(HEAD, HEAD)).toEqual(["known", 120]);
  expect(recall(HEAD, HEAD.replace("120", "987"))).toEqual(["known", 987]);
});

test("a head that differs in anything else is another one", () => {
  for (const other of [
    HEAD.replace("Bearer x", "Bearer y"),
    HEAD.replace("host: a", "host: b"),
    HEAD.replace("120", "1200"),
    HEAD.replace("120", "12x"),
    HEAD.replace("120", "1, "),
    `${HEAD}x`,
    HEAD.slice(0, -1),
    "",
  ])
    expect([other, recall(HEAD, other)[0]]).toEqual([other, null]);
});

test("a head without a length is known by all of it", () => {
  const head = HEAD.replace("Content-Length: 120", "x: 120");
  expect(recall(head, head)).toEqual(["known", -1]);
  expect(recall(head, head.replace("120", "121"))[0]).toBeNull();
});

test("a head whose length is odd or there twice is not remembered", () => {
  for (const head of [HEAD.replace("120", "+12"), HEAD.replace("120", "1234567890"), `${HEAD}\r\ncontent-length: 120`])
    expect([head, recall(head, head)[0]]).toEqual([head, null]);
});
