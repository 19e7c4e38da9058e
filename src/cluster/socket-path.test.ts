import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { socketPath } from "./socket-path.ts";

const folder = mkdtempSync(join(tmpdir(), "flock-sock-"));
afterAll(() => rmSync(folder, { recursive: true }));
const uid = process.getuid?.() ?? 0;
const long = `/data/${"d".repeat(100)}`;
const place = { dataDir: long, name: "agent", temporaryDir: folder, uid };

test("the socket is in the data directory while its path is short enough", () => {
  expect(socketPath({ ...place, dataDir: "/home/me/.flock" })).toEqual({
    ok: true,
    value: "/home/me/.flock/agent.sock",
  });
});

test("a long data directory gets a private folder below the temporary one, and each socket its own name", () => {
  const one = socketPath(place);
  const other = socketPath({ ...place, dataDir: `${long}e` });
  const leader = socketPath({ ...place, name: "leader" });
  if (!one.ok || !other.ok || !leader.ok) throw new Error("no path");
  expect(one.value).toStartWith(join(folder, `flock-${uid}/`));
  expect(new Set([one.value, other.value, leader.value]).size).toBe(3);
  expect(statSync(join(folder, `flock-${uid}`)).mode & 0o777).toBe(0o700);
});

test("a folder that is a link or of another user is refused", () => {
  const linked = mkdtempSync(join(folder, "l-"));
  mkdirSync(join(linked, "real"));
  symlinkSync(join(linked, "real"), join(linked, `flock-${uid}`));
  const refusedLink = socketPath({ ...place, temporaryDir: linked });
  expect(refusedLink.ok ? "" : refusedLink.error).toContain("does not belong to this user");
  const foreign = mkdtempSync(join(folder, "f-"));
  mkdirSync(join(foreign, `flock-${uid + 1}`));
  expect(socketPath({ ...place, temporaryDir: foreign, uid: uid + 1 }).ok).toBe(false);
});

test("a temporary directory that is too long as well is refused before anything is made in it", () => {
  const refused = socketPath({ ...place, temporaryDir: join(folder, "t".repeat(90)) });
  expect(refused.ok ? "" : refused.error).toContain("choose a shorter data directory");
});
