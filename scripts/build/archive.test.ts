import { afterAll, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packFolder } from "./archive.ts";

const base = mkdtempSync(join(tmpdir(), "flock-archive-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const LONG = `${"d".repeat(60)}/${"e".repeat(60)}`;

/** The same content, written in another order, at another time and with other rights for the group. */
function folder(parent: string, names: readonly string[], at: number): string {
  const path = join(base, parent, "flock-1");
  for (const name of names) {
    const file = join(path, name);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, name.repeat(100));
    if (name === "flock") chmodSync(file, at === 1 ? 0o775 : 0o755);
    utimesSync(file, at, at);
  }
  return path;
}

const NAMES = ["flock", "a.txt", "b/é.txt", `${LONG}/f.txt`, "empty/0"];

test("the same files give the same bytes, whenever they were written", async () => {
  const first = folder("one", NAMES, 1);
  const second = folder("two", NAMES.toReversed(), 1_700_000_000);
  await packFolder(first, join(base, "one.tgz"));
  await packFolder(second, join(base, "two.tgz"));
  expect(readFileSync(join(base, "one.tgz")).equals(readFileSync(join(base, "two.tgz")))).toBe(true);
});

test("tar unpacks it: names, contents and what may be run", async () => {
  const packed = folder("three", NAMES, 1);
  const to = join(base, "unpacked");
  mkdirSync(to);
  await packFolder(packed, join(base, "three.tgz"));
  const { exitCode, stderr } = Bun.spawnSync(["tar", "-xzf", join(base, "three.tgz"), "-C", to]);
  expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: "" });
  for (const name of NAMES) expect(readFileSync(join(to, "flock-1", name), "utf8")).toBe(name.repeat(100));
  const listed = Bun.spawnSync(["tar", "-tvzf", join(base, "three.tgz")]).stdout.toString();
  expect(listed).toMatch(/^-rwxr-xr-x .* flock-1\/flock$/m);
  expect(listed).toMatch(/^-rw-r--r-- .* flock-1\/a\.txt$/m);
});

test("what an archive cannot hold is refused, not left out", async () => {
  const packed = folder("four", ["a.txt"], 1);
  symlinkSync("a.txt", join(packed, "link"));
  const refused = await packFolder(packed, join(base, "four.tgz")).then(() => "", String);
  expect(refused).toContain("neither a file nor a folder");
  rmSync(join(packed, "link"));
  writeFileSync(join(packed, "x".repeat(101)), "");
  expect(await packFolder(packed, join(base, "four.tgz")).then(() => "", String)).toContain("too long");
});
