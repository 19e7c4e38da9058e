import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { connect } from "./admin-client.ts";
import { statusApi } from "./api/status.ts";
import { CliSandbox } from "./captured-io.ts";
import { A_KEY, type FakeAdminServer, startFakeAdminServer } from "./fake-admin-server.ts";

let server: FakeAdminServer;
const box = new CliSandbox();
beforeEach(() => {
  server = startFakeAdminServer();
  box.write("admin.key", "sk-admin\n");
  box.write("leader.json", JSON.stringify({ pid: process.pid, url: server.url, startedAt: 1, version: "0.1.0" }));
});
afterEach(() => server.stop());
afterAll(() => box.remove());

describe("finding the server", () => {
  test("nobody listens: exit 3 and `flock up`", async () => {
    await server.stop();
    for (const line of ["status", "usage", "token ls", `status --url ${server.url}`]) {
      const { exitCode, stdout, stderr } = await box.run(line);
      expect(exitCode).toBe(3);
      expect(stdout).toBe("");
      expect(stderr).toMatch(/^✗ Flock is not running.*\n {2}→ flock up\n$/);
    }
  });

  test("without a leader the configured address is asked, first without the key", async () => {
    box.write("leader.json", "{");
    const env = { FLOCK_LISTEN: server.url.replace("http://", "") };
    expect((await box.run("status", { env })).exitCode).toBe(0);
    expect(server.calls).toEqual(["GET /admin/v1/status", "GET /admin/v1/status"]);
  });

  test("the key is never shown to another program that took the port", async () => {
    const seen: (string | null)[] = [];
    using other = Bun.serve({
      port: 0,
      fetch: (request) => {
        seen.push(request.headers.get("authorization"));
        return new Response("<h1>hello</h1>", { headers: { "content-type": "text/html" } });
      },
    });
    // The leader's process is gone, its file stayed. No process has this id: it is above the kernel's limit.
    box.write("leader.json", JSON.stringify({ pid: 2 ** 30, url: `http://127.0.0.1:${other.port}` }));
    const { exitCode, stderr } = await box.run("status");
    expect(exitCode).toBe(3);
    expect(stderr).toContain("something else answers");
    expect(seen).toEqual([null]);
  });

  test("a redirect is not followed with the key", async () => {
    using other = Bun.serve({ port: 0, fetch: () => Response.redirect(`${server.url}/admin/v1/status`, 302) });
    expect((await box.run(`status --url http://127.0.0.1:${other.port}`)).exitCode).toBe(3);
    expect(server.calls).toEqual([]);
  });

  test("a server that never answers runs into the deadline", async () => {
    using silent = Bun.serve({ port: 0, fetch: () => new Promise<Response>(() => undefined) });
    const address = { url: `http://127.0.0.1:${silent.port}`, certain: true };
    const { signal } = new AbortController();
    const connected = await connect({ address, token: null, signal, deadlineMs: 50 });
    const status = connected.ok ? await statusApi(connected.value).show() : connected;
    expect(status).toMatchObject({ ok: false, error: { exitCode: 1, code: "timeout" } });
  });

  test("Ctrl-C while waiting ends quietly with 1", async () => {
    const stop = new AbortController();
    using silent = Bun.serve({
      port: 0,
      fetch: () => {
        stop.abort();
        return new Promise<Response>(() => undefined);
      },
    });
    const ran = await box.run(`status --url http://127.0.0.1:${silent.port}`, { signal: stop.signal });
    expect(ran).toEqual({ exitCode: 1, stdout: "", stderr: "" });
  });
});

describe("keys", () => {
  test.each([
    ["--token sk-wrong", {}, 4, "The key from --token was refused"],
    ["", { FLOCK_TOKEN: "sk-wrong" }, 4, "The key from FLOCK_TOKEN was refused"],
    ["--token sk-user", {}, 4, "Not an admin"],
    ["--token sk-admin", { FLOCK_TOKEN: "sk-wrong" }, 0, ""],
    ["--data-dir empty", {}, 4, "No API key was found"],
  ])("%p with %p gives %i", async (flags, env, exitCode, message) => {
    const ran = await box.run(`status --url ${server.url} ${flags}`, { env });
    expect(ran.exitCode).toBe(exitCode);
    expect(ran.stderr).toContain(message);
  });
});

test("not found is 5, not built yet is 1 with the capability", async () => {
  expect(await box.run("job show job_9")).toMatchObject({ exitCode: 5, stderr: "✗ There is no such job\n" });
  const models = await box.run("model ls");
  expect(models.exitCode).toBe(1);
  expect(models.stderr).toContain("The server cannot do this yet: models");
});

describe("--json", () => {
  const READS = ["status", "token ls", "usage", "audit", "job ls", "job show job_1", "config show", "version"];
  test.each(READS)("%s prints one document and nothing else", async (line) => {
    const { exitCode, stdout, stderr } = await box.run(`${line} --json`, { tty: true });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(typeof JSON.parse(stdout)).toBe("object");
  });

  test("its errors are JSON on stderr", async () => {
    const { exitCode, stdout, stderr } = await box.run("job show job_9 --json");
    expect({ exitCode, stdout }).toEqual({ exitCode: 5, stdout: "" });
    expect(JSON.parse(stderr)).toEqual({ error: { message: "There is no such job", code: "not_found", exit_code: 5 } });
  });

  test("of token create holds the key; without it stdout is the key alone", async () => {
    expect(JSON.parse((await box.run("token create --json")).stdout)).toMatchObject({ token: "sk-orc-plaintext" });
    expect((await box.run("token create")).stdout).toBe("sk-orc-plaintext\n");
  });
});

describe("tables", () => {
  test("control characters of clients never reach the terminal", async () => {
    const { stdout } = await box.run("usage", { tty: true, env: { NO_COLOR: "1" } });
    expect(stdout).not.toContain("\u001b");
    expect(stdout).toContain("�");
    expect(stdout.trimEnd().split("\n")).toHaveLength(2);
  });

  test("colours come on a terminal only, and not with NO_COLOR or FLOCK_NO_COLOR", async () => {
    expect((await box.run("status", { tty: true })).stdout).toContain("\u001b[31mcrashloop\u001b[0m");
    for (const [name, tty] of [
      ["", false],
      ["NO_COLOR", true],
      ["FLOCK_NO_COLOR", true],
    ] as const) {
      expect((await box.run("status", { tty, env: { [name]: "1" } })).stdout).not.toContain("\u001b");
    }
  });

  test("status shows engines with their problem, and the command that helps", async () => {
    const { stdout } = await box.run("status");
    expect(stdout).toContain("it ends at once");
    expect(stdout).toContain("Uptime         1 h 1 m (pid 42)");
    expect(stdout).toContain("→ flock model add llama-3.2-1b");
  });

  test("audit shows what changed and leaves out what did not", async () => {
    const { stdout } = await box.run("audit");
    expect(stdout).toContain("revoked: false → true");
    expect(stdout).not.toContain("name:");
  });
});

test("config show asks the server that --url names, and this machine otherwise", async () => {
  expect((await box.run(`config show --url ${server.url}`)).stdout).toMatch(/^listen +:7 +FLOCK_LISTEN +yes$/m);
  expect((await box.run("config show")).stdout).toMatch(/^listen +:8080 +default +yes$/m);
});

test("flags reach the server", async () => {
  await box.run("usage --limit 7 --user a&b");
  await box.run("audit --limit=3 --actor me");
  expect(server.calls).toEqual([
    "GET /admin/v1/usage/recent?limit=7&user=a%26b",
    "GET /admin/v1/audit/recent?limit=3&actor=me",
  ]);
  await box.run("token create bob --admin --quota 5 --concurrency 2 --models a,b --models c --expires 1d --local-only");
  expect(server.lastBody).toEqual({
    name: "bob",
    scope: "admin",
    limits: { daily_tokens: 5, concurrency: 2 },
    models: ["a", "b", "c"],
    expires_at: 1_760_000_100_000 + 86_400_000,
    local_only: true,
  });
});

test("token edit sends what was given and nothing else, and clears as well as sets", async () => {
  for (const [flags, body] of [
    ["--quota 0 --rpm 5", { limits: { daily_tokens: 0, requests_per_minute: 5 } }],
    ["--tpm 7 --models '*' --expires never", { limits: { tokens_per_minute: 7 }, models: [], expires_at: null }],
    ["--no-local-only --priority batch", { local_only: false, priority: "batch" }],
    ["--local-only --models a,qwen3-*", { local_only: true, models: ["a", "qwen3-*"] }],
  ] as const) {
    const ran = await box.run(`token edit alice ${flags.replaceAll("'", "")}`);
    expect([flags, ran.exitCode, server.lastBody]).toEqual([flags, 0, body]);
  }
  expect(await box.run("token edit alice")).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("flock token edit alice --quota"),
  });
  expect(await box.run("token edit alice --priority high")).toMatchObject({ exitCode: 2 });
  expect((await box.run("token edit nobody --quota 1")).exitCode).toBe(5);
  const prompts = { choose: () => Promise.resolve("key_alice"), confirm: () => Promise.resolve(true) };
  expect((await box.run("token edit --quota 1", { tty: true, prompts })).exitCode).toBe(0);
  expect(server.calls.at(-1)).toBe("PATCH /admin/v1/tokens/key_alice");
});

describe("token revoke", () => {
  const answers = (choice: string | null, sure: boolean | null) => ({
    tty: true,
    prompts: { choose: () => Promise.resolve(choice), confirm: () => Promise.resolve(sure) },
  });
  const revoked = (): boolean => server.keys[0]?.revoked_at !== null;

  test("by id and by name, with --yes", async () => {
    for (const target of ["key_alice", "alice"]) {
      server.keys[0] = A_KEY;
      expect(await box.run(`token revoke ${target} --yes`)).toMatchObject({ exitCode: 0 });
      expect(revoked()).toBe(true);
    }
  });

  test("asks first; without a person it wants --yes", async () => {
    expect(await box.run("token revoke alice")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("--yes"),
    });
    expect(await box.run("token revoke alice", answers(null, false))).toMatchObject({ exitCode: 1, stderr: "" });
    expect(revoked()).toBe(false);
    expect(await box.run("token revoke alice", answers(null, true))).toMatchObject({ exitCode: 0 });
    expect(revoked()).toBe(true);
  });

  test("lets a person pick when the key is missing or unknown; Escape is a quiet 1", async () => {
    expect(await box.run("token revoke", answers(null, true))).toMatchObject({ exitCode: 1, stderr: "" });
    expect(await box.run("token revoke nobody", answers("key_alice", true))).toMatchObject({ exitCode: 0 });
    expect(revoked()).toBe(true);
  });

  test("never asks in CI", async () => {
    expect((await box.run("token revoke", { ...answers("key_alice", true), env: { CI: "true" } })).exitCode).toBe(2);
  });

  test("an unknown name is 5 with the nearest, a name of two keys is 2", async () => {
    expect(await box.run("token revoke alcie --yes")).toMatchObject({
      exitCode: 5,
      stderr: expect.stringContaining("did you mean alice?"),
    });
    server.keys.push({ ...A_KEY, id: "key_alice2" });
    expect((await box.run("token revoke alice --yes")).exitCode).toBe(2);
    expect(revoked()).toBe(false);
  });
});

describe("following a job", () => {
  test("goes on after the stream was cut, from the last event", async () => {
    server.cuts = 2;
    const { exitCode, stdout, stderr } = await box.run("job watch job_1");
    expect(exitCode).toBe(0);
    expect(stdout).toContain("✔ usage.rebuild-rollups is done");
    expect(server.lastEventIds).toEqual([null, "1", "2"]);
    expect(stderr).toContain("running · [###############-----] · 75 % · 3 of 4");
  });

  test("a failed job is exit 1 with its reason", async () => {
    server.jobState = "failed";
    expect(await box.run("usage rebuild")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("the disk is full"),
    });
  });

  test("--json gives the finished job as the one document", async () => {
    const { stdout, stderr } = await box.run("usage rebuild --json");
    expect(JSON.parse(stdout)).toMatchObject({ job: { id: "job_1", state: "succeeded" } });
    expect(stderr).toBe("");
  });

  test("Ctrl-C stops the watching and says how to go on", async () => {
    const stop = new AbortController();
    stop.abort();
    expect(await box.run("job watch job_1", { signal: stop.signal })).toMatchObject({ exitCode: 1, stdout: "" });
  });
});
