import { afterAll, expect, test } from "bun:test";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { startScriptedEngine } from "../support/scripted-engine.ts";
import { poll, runFlockCli, startFlock, temporaryDirectory } from "../support/start-flock.ts";

const base = temporaryDirectory();
const mounted: string[] = [];
afterAll(() => {
  for (const path of mounted) Bun.spawnSync(["umount", "-l", path]);
  rmSync(base, { recursive: true, force: true });
});

/** A disk of its own. Null: this user may not make one. */
function smallDisk(name: string, sizeBytes: number): string | null {
  const path = join(base, name);
  mkdirSync(path);
  const mount = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", `size=${sizeBytes}`, "tmpfs", path]);
  if (mount.exitCode !== 0) return null;
  mounted.push(path);
  return path;
}

/** Takes all the space there is. */
function fill(disk: string): string {
  const path = join(disk, "filler");
  const file = openSync(path, "w");
  const block = Buffer.alloc(4096);
  try {
    for (;;) if (writeSync(file, block) === 0) break;
  } catch {
    // ENOSPC: that is the aim.
  }
  closeSync(file);
  return path;
}

const tiny = smallDisk("tiny", 512 * 1024);
const disk = smallDisk("disk", 16 * 1024 * 1024);

test.skipIf(tiny === null)("a disk without room refuses the start (needs root: sudo npm test)", async () => {
  const run = await runFlockCli(tiny ?? "", ["up"]);
  expect(run.code).toBe(1);
  expect(run.stderr.trimEnd().split("\n")).toEqual([
    expect.stringMatching(/^✗ no space is left for /),
    expect.stringMatching(/^ {2}→ df -h /),
  ]);
});

test.skipIf(disk === null)(
  "when the disk fills while Flock serves, answers still come, /readyz tells, and no usage is lost (needs root: sudo npm test)",
  async () => {
    const engine = await startScriptedEngine();
    engine.script = { text: "one two three" };
    const env = { FLOCK_ENGINE: "llamacpp", FLOCK_LLAMACPP_ENDPOINT: engine.url };
    const dataDir = join(disk ?? "", "data");
    const flock = await startFlock({ dataDir, env });
    const body = JSON.stringify({ model: "auto", messages: [{ role: "user", content: "hi" }] });
    const ask = async (): Promise<number> =>
      (await flock.fetch("/v1/chat/completions", { method: "POST", body })).status;
    const rows = async (): Promise<number> => {
      const recent = await flock.fetch("/admin/v1/usage/recent?limit=500");
      return recent.ok ? ((await recent.json()) as { records: unknown[] }).records.length : 0;
    };
    try {
      expect(await ask()).toBe(200);
      const filler = fill(disk ?? "");
      // The journal's last page has room left: ask until the disk refuses that too.
      let asked = 1;
      await poll(20_000, async () => {
        expect(await ask()).toBe(200);
        asked += 1;
        const ready = await fetch(`${flock.url}/readyz`);
        return ready.status === 503 && /no space left|ENOSPC/i.test(await ready.text());
      });
      expect(await ask()).toBe(200);
      asked += 1;
      rmSync(filler);
      await poll(15_000, async () => (await fetch(`${flock.url}/readyz`)).ok);
      await poll(15_000, async () => (await rows()) === asked);
      const down = await flock.cli("down");
      expect([down.code, flock.stderr().includes("    at ")]).toEqual([0, false]);
    } finally {
      await runFlockCli(dataDir, ["down"]);
      await engine.stop();
    }
  },
);
