import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const here = import.meta.dir;
let checkout: string;

/** A checkout in which Bun and Node.js only say how they were called. */
beforeEach(() => {
  checkout = realpathSync(mkdtempSync(join(tmpdir(), "flock script-")));
  for (const folder of ["scripts", "bin", "models", "src", "node_modules/@oven/some/bin", "node_modules/zod"])
    mkdirSync(join(checkout, folder), { recursive: true });
  copyFileSync(join(here, "flock"), join(checkout, "scripts", "flock"));
  for (const name of ["ensure-installed.mjs", "run-npm.mjs"])
    copyFileSync(join(here, name), join(checkout, "scripts", name));
  writeFileSync(join(checkout, "package-lock.json"), '{"packages":{}}');
  writeFileSync(join(checkout, "node_modules/.package-lock.json"), '{"packages":{}}');
  writeFileSync(join(checkout, "models/flock-tiny.gguf"), "");
  program("node_modules/@oven/some/bin/bun", 'echo "bun $BUN_CONFIG_MAX_HTTP_REQUESTS" "$@"');
  // The script needs no more than these.
  for (const name of ["sh", "cmp", "readlink", "uname"])
    symlinkSync(Bun.which(name) ?? "", join(checkout, "bin", name));
});
afterEach(() => rmSync(checkout, { recursive: true, force: true }));

function program(path: string, script: string): void {
  // Not through a link to the real one.
  rmSync(join(checkout, path), { force: true });
  writeFileSync(join(checkout, path), `#!/bin/sh\n${script}\n`);
  chmodSync(join(checkout, path), 0o755);
}

/** What `npm start` and the slow way do once. */
async function install(): Promise<void> {
  const code = `await (await import("${checkout}/scripts/ensure-installed.mjs")).ensureInstalled();`;
  const { exited } = Bun.spawn(["node", "--input-type=module", "-e", code], { stdout: "ignore", stderr: "inherit" });
  expect(await exited).toBe(0);
}

async function flock(command: readonly string[], cwd = checkout): Promise<{ out: string; err: string; code: number }> {
  const child = Bun.spawn([...command], {
    cwd,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: join(checkout, "bin") },
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { out: out.trim(), err, code: await child.exited };
}

const script = (): string => join(checkout, "scripts", "flock");

test("where all is installed, Bun is started with every argument as it was given, and no Node.js", async () => {
  await install();
  const { out } = await flock(["sh", script(), "route", "a  b", "*"]);
  expect(out).toBe(`bun 65336 ${checkout}/src/main.ts route a  b *`);
});

test("it is found through links, relative ones too, from any directory", async () => {
  await install();
  mkdirSync(join(checkout, "elsewhere/deep"), { recursive: true });
  symlinkSync("../scripts/flock", join(checkout, "elsewhere/flock"));
  symlinkSync(join(checkout, "elsewhere/flock"), join(checkout, "elsewhere/deep/flock"));
  for (const [command, cwd] of [
    ["./flock", "elsewhere/deep"],
    ["elsewhere/flock", "."],
    ["./flock", "scripts"],
  ] as const)
    expect((await flock([command, "version"], join(checkout, cwd))).out).toContain(`${checkout}/src/main.ts version`);
  expect((await flock(["sh", "flock", "version"], join(checkout, "scripts"))).out).toContain("src/main.ts version");
});

test("a moved checkout is as ready as it was", async () => {
  await install();
  const moved = `${checkout}-moved`;
  expect(await Bun.spawn(["mv", checkout, moved]).exited).toBe(0);
  checkout = moved;
  expect((await flock(["sh", script(), "version"])).out).toContain(`${moved}/src/main.ts version`);
});

test("before the first install, Node.js looks; without it the error says what to install", async () => {
  const none = await flock(["sh", script(), "version"]);
  expect(none.code).toBe(1);
  expect(none.err).toContain("install Node.js 20 or newer");
  program("bin/node", 'echo "node" "$@"');
  expect((await flock(["sh", script(), "version"])).out).toBe(`node ${checkout}/scripts/flock.mjs version`);
});

const DOUBTS: Record<string, () => void> = {
  "another lockfile, however old": () => {
    writeFileSync(join(checkout, "package-lock.json"), '{"packages":{"":{}}}');
    utimesSync(join(checkout, "package-lock.json"), 1, 1);
  },
  "a package that was taken away": () => rmSync(join(checkout, "node_modules/zod"), { recursive: true }),
  "an npm that has run since": () => writeFileSync(join(checkout, "node_modules/.package-lock.json"), "{}"),
  "an install that runs": () => writeFileSync(join(checkout, ".flock-installing"), "1"),
  "a copy to another kind of machine": () => program("bin/uname", "echo Plan9 mips"),
  "no Bun": () => rmSync(join(checkout, "node_modules/@oven/some/bin/bun")),
  "no model of its own": () => rmSync(join(checkout, "models/flock-tiny.gguf")),
};

for (const [doubt, happens] of Object.entries(DOUBTS)) {
  test(`Node.js looks again after: ${doubt}`, async () => {
    await install();
    program("bin/node", "echo node");
    // The kernel's clock for files is coarse: what comes after the install must be seen to.
    const ready = join(checkout, "node_modules/.cache/flock-ready/bun");
    const past = Date.now() / 1000 - 1;
    for (const path of [join(checkout, "node_modules"), join(checkout, "node_modules/.package-lock.json"), ready])
      utimesSync(path, past, past);
    expect((await flock(["sh", script(), "version"])).out).toContain("bun ");
    happens();
    expect((await flock(["sh", script(), "version"])).out).toBe("node");
  });
}

test("what npm calls is this script, in the place of its shell: that would keep signals to itself", () => {
  const { bin, scripts } = JSON.parse(readFileSync(join(here, "..", "package.json"), "utf8")) as {
    bin: Record<string, string>;
    scripts: Record<string, string>;
  };
  expect(bin["flock"]).toBe("scripts/flock");
  expect([scripts["start"], scripts["flock"]]).toEqual(["exec sh scripts/flock up", "exec sh scripts/flock"]);
});
