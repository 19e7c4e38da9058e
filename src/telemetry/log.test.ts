import { expect, test } from "bun:test";
import { createLog } from "./log.ts";

test("json lines are one object each, with the fields and an error's stack", () => {
  const lines: string[] = [];
  const log = createLog({ level: "info", format: "json", write: (line) => lines.push(line) });
  log.debug("unseen");
  log.error("it broke", { request: "req_1", cause: new Error("because") });
  expect(lines).toHaveLength(1);
  const entry = JSON.parse(lines[0] ?? "") as Record<string, string>;
  expect(entry).toMatchObject({ level: "error", message: "it broke", request: "req_1" });
  expect(entry.cause).toContain("because");
});

test("text lines quote what has spaces and leave out what is not there", () => {
  const lines: string[] = [];
  const log = createLog({ level: "debug", format: "text", write: (line) => lines.push(line) });
  log.warn("slow", { request: "req_2", why: "two words", missing: undefined });
  expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d warn {2}slow request=req_2 why="two words"\n$/);
});
