import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { poll } from "../test/support/start-flock.ts";

const here = import.meta.dir;
let checkout: string;

/** A checkout whose npm is the script that is given; it finds what it installs under `$OUT`. */
function npmIs(script: string): void {
  const path = join(checkout, "bin", "npm");
  writeFileSync(path, `#!/bin/sh\necho run >> "$OUT/runs"\necho $$ > "$OUT/pid"\n${script}\n`);
  chmodSync(path, 0o755);
}

const INSTALLS = `
mkdir -p node_modules/@oven/some/bin
printf '#!/bin/sh\\nexit 0\\n' > node_modules/@oven/some/bin/bun
chmod +x node_modules/@oven/some/bin/bun
echo '{"packages":{}}' > node_modules/.package-lock.json`;

beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), "flock-install-"));
  for (const folder of ["scripts", "bin", "models"]) mkdirSync(join(checkout, folder));
  for (const name of ["ensure-installed.mjs", "run-npm.mjs"])
    copyFileSync(join(here, name), join(checkout, "scripts", name));
  writeFileSync(join(checkout, "package-lock.json"), '{"packages":{}}');
  writeFileSync(join(checkout, "models", "flock-tiny.gguf"), "");
});
afterEach(() => rmSync(checkout, { recursive: true, force: true }));

function install(): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  const code = `const { ensureInstalled } = await import("${checkout}/scripts/ensure-installed.mjs"); console.log(await ensureInstalled());`;
  return Bun.spawn(["node", "--input-type=module", "-e", code], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, OUT: checkout, PATH: `${join(checkout, "bin")}:${process.env["PATH"] ?? ""}` },
  });
}

const pidOfNpm = () =>
  poll(10_000, () => (existsSync(join(checkout, "pid")) ? Number(readFileSync(join(checkout, "pid"), "utf8")) : null));

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // One that ended and waits for its parent is no process any more.
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

test("Ctrl-C ends npm as well, and the next start installs everything", async () => {
  npmIs("trap '' INT TERM; mkdir -p node_modules/half; while :; do sleep 0.1; done");
  const first = install();
  const npm = await pidOfNpm();
  first.kill("SIGINT");
  expect(await first.exited).toBe(130);
  expect(await new Response(first.stderr).text()).toContain("the next start begins it anew");
  expect(lives(npm)).toBe(false);
  npmIs(INSTALLS);
  const second = install();
  expect(await second.exited).toBe(0);
  expect((await new Response(second.stdout).text()).trim()).toEndWith("bin/bun");
});

test("of two starts at once one installs, and the other waits for it", async () => {
  npmIs(`while [ ! -e "$OUT/go" ]; do sleep 0.05; done${INSTALLS}`);
  const first = install();
  await pidOfNpm();
  const second = install();
  const reader = second.stderr.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toContain("waiting for it");
  writeFileSync(join(checkout, "go"), "");
  expect([await first.exited, await second.exited]).toEqual([0, 0]);
  expect(readFileSync(join(checkout, "runs"), "utf8")).toBe("run\n");
  expect(existsSync(join(checkout, ".flock-installing"))).toBe(false);
});

test("a lock that a killed install left holds nobody up, once its npm is gone", async () => {
  npmIs('while [ ! -e "$OUT/go" ]; do sleep 0.05; done; exit 3');
  const killed = install();
  await pidOfNpm();
  killed.kill("SIGKILL");
  await killed.exited;
  const npm = await pidOfNpm();
  writeFileSync(join(checkout, "go"), "");
  await poll(10_000, () => !lives(npm));
  npmIs(INSTALLS);
  expect(await install().exited).toBe(0);
});
