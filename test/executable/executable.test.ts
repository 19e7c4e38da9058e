import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import { sha256 } from "../../scripts/build/archive.ts";
import { HOST, PLATFORMS } from "../../scripts/build/platforms.ts";

const ROOT = join(import.meta.dir, "../..");
const NAME = `flock-${version}-${HOST}`;
const NOBODY = 65534;
const BUILD_MS = 180_000;
const RUN_MS = 60_000;

const supported = PLATFORMS.some(({ id }) => id === HOST);
const title = supported ? "the executable" : `the executable (skipped: there is no build for ${HOST})`;
const base = mkdtempSync(join(tmpdir(), "flock-executable-"));
// The unprivileged user must come through to what lies in it.
chmodSync(base, 0o755);
const started: Program[] = [];

interface Program {
  /** What is called. */
  readonly flock: string;
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** What runs it as somebody else. */
  readonly as: readonly string[];
}

async function run(command: readonly string[], env: Readonly<Record<string, string>>, cwd: string) {
  const child = Bun.spawn([...command], { env, cwd, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

function flock({ flock: path, dataDir, env, cwd, as }: Program, ...args: readonly string[]) {
  return run([...as, path, ...args, `--data-dir=${dataDir}`], env, cwd);
}

/** An empty PATH, and nothing but a home. */
function program(folder: string, over: Partial<Program> = {}): Program {
  const home = mkdtempSync(join(base, "home-"));
  const dataDir = join(home, "data");
  const made = { flock: join(folder, "flock"), dataDir, env: { HOME: home, PATH: "" }, cwd: home, as: [], ...over };
  started.push(made);
  return made;
}

/** From the first start to the stop, as a person would go through it. */
async function upChatStatusDown(it: Program): Promise<void> {
  const up = await flock(it, "up", "--detach", "--listen=127.0.0.1:0", "--engine-embedded-threads=1");
  expect({ code: up.code, stderr: up.stderr }).toEqual({ code: 0, stderr: "" });
  expect(up.stdout).toContain("Flock is ready.");
  expect(up.stdout).toContain("flock down; flock up");

  const { url } = JSON.parse(readFileSync(join(it.dataDir, "leader.json"), "utf8")) as { url: string };
  const key = readFileSync(join(it.dataDir, "admin.key"), "utf8").trim();
  const chat = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "auto", messages: [{ role: "user", content: "hi" }] }),
  });
  const answer = (await chat.json()) as { choices: { message: { content: string } }[] };
  expect(answer.choices[0]?.message.content).toStartWith("Hello from flock-tiny");
  const page = await fetch(`${url}/ui/`);
  expect({ status: page.status, html: (await page.text()).includes("<html") }).toEqual({ status: 200, html: true });

  const status = await flock(it, "status");
  expect(status.stdout).toContain(`Flock ${version} is running as leader`);
  expect(status.stdout).toMatch(/^embedded +\S+ +embedded +ready/m);
  // It comes into the database by a thread that is a file of its own in the executable.
  expect((await flock(it, "usage")).stdout).toContain("flock-tiny");
  expect((await flock(it, "model", "search", "--json")).stdout).toContain(`"id": "llama-3.2-1b"`);

  const down = await flock(it, "down");
  expect({ code: down.code, stderr: down.stderr }).toEqual({
    code: 0,
    stderr: "▶ stopping: running answers may end first\n",
  });
  expect((await flock(it, "status")).code).toBe(3);
}

describe.skipIf(!supported)(title, () => {
  const out = join(base, "dist");
  const elsewhere = join(base, "un packed");
  const folder = join(elsewhere, NAME);

  beforeAll(async () => {
    const command = [process.execPath, join(ROOT, "scripts/build.ts"), "--platform", "host", "--out", out];
    const built = await run(command, process.env as Record<string, string>, ROOT);
    if (built.code !== 0) throw new Error(`the build failed:\n${built.stdout}${built.stderr}`);
    mkdirSync(elsewhere);
    const unpacked = await run(["tar", "-xzf", join(out, `${NAME}.tar.gz`)], { PATH: "/usr/bin:/bin" }, elsewhere);
    expect(unpacked).toEqual({ code: 0, stdout: "", stderr: "" });
  }, BUILD_MS);

  afterAll(async () => {
    for (const it of started) await flock(it, "down").catch(() => undefined);
    rmSync(base, { recursive: true, force: true });
  }, RUN_MS);

  test("the archive has the checksum that stands beside it", async () => {
    const sums = readFileSync(join(out, "checksums.txt"), "utf8");
    expect(sums).toBe(`${await sha256(join(out, `${NAME}.tar.gz`))}  ${NAME}.tar.gz\n`);
  });

  test("the licences of what is in it come along", () => {
    const notice = readFileSync(join(folder, "NOTICE"), "utf8");
    for (const name of ["bun-", "hono ", "zod ", "node-llama-cpp ", "llama.cpp and ggml"]) {
      expect(notice).toMatch(new RegExp(`^(@[\\w-]+/)?${name}`, "m"));
    }
    expect(readFileSync(join(folder, "LICENSE"), "utf8")).toContain("Apache License");
  });

  test(
    "unpacked elsewhere and with an empty PATH it goes from up to chat to status to down",
    () => upChatStatusDown(program(folder)),
    RUN_MS,
  );

  test(
    "once moved, and called through a link from another folder, it does so again",
    async () => {
      const moved = join(base, "moved");
      renameSync(folder, moved);
      const link = join(base, "flock-link");
      symlinkSync(join(moved, "flock"), link);
      try {
        const cwd = mkdtempSync(join(base, "cwd-"));
        // Whoever owns the folder in which somebody stands must not steer Flock by files in it.
        await Bun.write(join(cwd, ".env"), "FLOCK_LISTEN=nonsense\n");
        await Bun.write(join(cwd, "bunfig.toml"), `preload = ["./nothing.ts"]\n`);
        await upChatStatusDown(program(moved, { flock: link, cwd }));
      } finally {
        renameSync(moved, folder);
      }
    },
    RUN_MS,
  );

  test(
    "a user who may only read the folder, with nothing in the environment, can run it",
    async () => {
      const root = process.getuid?.() === 0;
      const home = mkdtempSync(join(base, "nobody-"));
      if (root) chownSync(home, NOBODY, NOBODY);
      else for (const path of [folder, join(folder, "engine"), join(folder, "models")]) chmodSync(path, 0o555);
      try {
        const as = root ? ["/usr/bin/setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"] : [];
        await upChatStatusDown(program(folder, { dataDir: join(home, "data"), env: {}, cwd: "/", as }));
      } finally {
        if (!root) for (const path of [folder, join(folder, "engine"), join(folder, "models")]) chmodSync(path, 0o755);
      }
    },
    RUN_MS,
  );
});
