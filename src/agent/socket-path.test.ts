import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { agentSocketPath } from "./socket-path.ts";

const folder = mkdtempSync(join(tmpdir(), "flock-sock-"));
afterAll(() => rmSync(folder, { recursive: true }));
const uid = process.getuid?.() ?? 0;
const long = `/data/${"d".repeat(100)}`;

test("the socket is in the data directory while its path is short enough", () => {
  expect(agentSocketPath("/home/me/.flock", folder, uid)).toEqual({ ok: true, value: "/home/me/.flock/agent.sock" });
});

test("a long data directory gets a private folder below the temporary one, and each its own name", () => {
  const one = agentSocketPath(long, folder, uid);
  const other = agentSocketPath(`${long}e`, folder, uid);
  if (!one.ok || !other.ok) throw new Error("no path");
  expect(one.value).toStartWith(join(folder, `flock-${uid}/`));
  expect(one.value).not.toBe(other.value);
  expect(statSync(join(folder, `flock-${uid}`)).mode & 0o777).toBe(0o700);
});

test("a folder that is a link or of another user is refused", () => {
  const linked = mkdtempSync(join(folder, "l-"));
  mkdirSync(join(linked, "real"));
  symlinkSync(join(linked, "real"), join(linked, `flock-${uid}`));
  const refusedLink = agentSocketPath(long, linked, uid);
  expect(refusedLink.ok ? "" : refusedLink.error).toContain("does not belong to this user");
  const foreign = mkdtempSync(join(folder, "f-"));
  mkdirSync(join(foreign, `flock-${uid + 1}`));
  expect(agentSocketPath(long, foreign, uid + 1).ok).toBe(false);
});
