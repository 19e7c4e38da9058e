import { afterAll, describe, expect, test } from "bun:test";
import { CliSandbox } from "./captured-io.ts";
import { COMMANDS } from "./command-list.ts";
import { nearestCommand } from "./did-you-mean.ts";
import { createOut } from "./output.ts";

const box = new CliSandbox();
afterAll(() => box.remove());

describe("help", () => {
  test.each(COMMANDS.map((entry) => entry.name))("of %s has usage and examples, three ways", async (name) => {
    const byFlag = await box.run(`${name} --help`);
    expect(byFlag).toMatchObject({ exitCode: 0, stderr: "" });
    expect(byFlag.stdout).toContain(`Usage: flock ${name}`);
    expect(byFlag.stdout).toMatch(/\nExamples\n {2}\S/);
    expect((await box.run(`help ${name}`)).stdout).toBe(byFlag.stdout);
    expect((await box.run(`--url http://x ${name} -h`)).stdout).toBe(byFlag.stdout);
  });

  test("of every group lists its commands and has usage and examples", async () => {
    const groups = new Set(
      COMMANDS.filter((entry) => entry.name.includes(" ")).map((entry) => entry.name.split(" ")[0] ?? ""),
    );
    const own = new Set(COMMANDS.map((entry) => entry.name));
    for (const group of [...groups].filter((name) => !own.has(name))) {
      const { exitCode, stdout } = await box.run(`${group} --help`);
      expect(exitCode).toBe(0);
      expect(stdout).toContain(`Usage: flock ${group} <command>`);
      expect(stdout).toContain("Examples");
    }
  });

  test("at the top names every command", async () => {
    const { exitCode, stdout } = await box.run("");
    expect(exitCode).toBe(0);
    for (const entry of COMMANDS) expect(stdout).toContain(`  ${entry.name} `);
    expect((await box.run("--help")).stdout).toBe(stdout);
    expect((await box.run("help")).stdout).toBe(stdout);
  });

  test("lists every setting where settings are flags, secrets as variables only", async () => {
    const { stdout } = await box.run("config show --help");
    expect(stdout).toContain("--router-fallback-enabled");
    expect(stdout).toContain("$FLOCK_MESH_AUTH_KEY");
    expect(stdout).not.toContain("--mesh-auth-key");
  });
});

describe("usage errors exit with 2, say what and which command mends it", () => {
  test.each([
    ["statsu", 'Unknown command "flock statsu"; did you mean flock status?', "flock status"],
    ["token crate x", 'Unknown command "flock token crate"; did you mean flock token create?', "flock token create"],
    ["tokn ls", "did you mean flock token ls?", "flock token ls"],
    ["revoke", "did you mean flock token revoke?", "flock token revoke"],
    ["xyzzy", 'Unknown command "flock xyzzy"', "flock --help"],
    ["token", "flock token needs one of: create, edit, ls, revoke", "flock token --help"],
    ["--bogus", "--bogus needs a command before it", "flock --help"],
    ["usage --limt 5", "Unknown flag --limt for flock usage; did you mean --limit?", "flock usage --help"],
    ["usage --limit", "--limit takes a whole number from 1 to 1000", "flock usage --help"],
    ["usage --limit 0", '--limit takes a whole number from 1 to 1000, not "0"', "flock usage --help"],
    ["usage --limit five", 'not "five"', "flock usage --help"],
    ["usage --user --json", "--user takes a value (<user>)", "flock usage --help"],
    ["usage --no-limit", "Unknown flag --no-limit", "flock usage --help"],
    ["usage rebuidl", "did you mean flock usage rebuild?", "flock usage --help"],
    ["token create a b", 'flock token create does not take "b"', "flock token create --help"],
    ["token create --admin=maybe", '--admin takes true or false, not "maybe"', "flock token create --help"],
    ["token create --models a,,b", "names separated by commas", "flock token create --help"],
    ["token create --expires soon", "--expires soon is neither a span nor a date", "--expires 30d"],
    ["token create --expires 2020-01-01", "lies in the past", "--expires 30d"],
    ["token revoke", "flock token revoke needs <key>", "flock token revoke --help"],
    ["completion bsh", "did you mean bash?", "flock completion --help"],
    ["status --url nowhere", "--url nowhere is not a URL", "--url http://127.0.0.1:8080"],
    ["config show --log-level loud", '--log-level: log_level: "loud" is not one of', "Give one of"],
    ["config check --mesh-auth-key=x", "mesh.auth_key is not taken as a flag", "FLOCK_MESH_AUTH_KEY"],
    ["config path --json", "flock config path has no --json", "flock config path --help"],
  ])("%s", async (line, message, mend) => {
    const { exitCode, stdout, stderr } = await box.run(line);
    expect(exitCode).toBe(2);
    expect(stdout).toBe("");
    if (line.includes("--json")) {
      const { error } = JSON.parse(stderr) as { error: { message: string; mend: string; exit_code: number } };
      expect(error).toMatchObject({ exit_code: 2 });
      expect(error.message).toContain(message);
      return;
    }
    const [first, second] = stderr.trimEnd().split("\n");
    expect(first).toStartWith("✗ ");
    expect(first).toContain(message);
    expect(second).toStartWith("  → ");
    expect(second).toContain(mend);
  });
});

test("a command that this version lacks says so and exits with 1", async () => {
  for (const entry of COMMANDS.filter((candidate) => !candidate.ready)) {
    const args = Object.values((await entry.load()).args ?? {}).flatMap((spec) => (spec.required ? ["x"] : []));
    const { exitCode, stderr } = await box.run([...entry.name.split(" "), ...args]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`flock ${entry.name} is not available in this version yet`);
  }
});

test("version is quick to ask for, also as a flag and as JSON", async () => {
  const plain = await box.run("version");
  expect(plain.stdout).toMatch(/^flock \d+\.\d+\.\d+ /);
  expect((await box.run("--version")).stdout).toBe(plain.stdout);
  expect(JSON.parse((await box.run("version --json")).stdout)).toHaveProperty("version");
});

test("completion scripts are valid for bash and know commands and flags", async () => {
  const { stdout } = await box.run("completion bash");
  const line = `${stdout}\nCOMP_WORDS=(flock token create --q); COMP_CWORD=3; _flock; echo "\${COMPREPLY[@]}"`;
  const bash = Bun.spawnSync(["bash", "-c", line]);
  expect(bash.stdout.toString().trim()).toBe("--quota");
  expect((await box.run("completion fish")).stdout).toContain("complete -c flock");
});

test("the nearest command is looked for in its group first", () => {
  const names = ["token ls", "token create", "model ls", "status"];
  expect(nearestCommand(["modle", "ls"], names)).toBe("model ls");
  expect(nearestCommand(["token", "craete"], names)).toBe("token create");
  expect(nearestCommand(["quux"], names)).toBeNull();
});

test("a bug becomes one line and exit code 1, never a throw", async () => {
  const clock = {
    now: () => {
      throw new Error("no clock");
    },
    monotonicMs: () => 0,
  };
  const { exitCode, stderr } = await box.run("token create --expires 30d", { clock });
  expect(exitCode).toBe(1);
  expect(stderr).toContain("✗ Something broke inside flock: no clock");
});

test("in a checkout, the command that mends is the one that works there", async () => {
  // Nobody can listen there, whatever else runs on this machine.
  const env = { FLOCK_LISTEN: "127.0.0.1:1" };
  const { stderr } = await box.run("status", { program: "npm run flock --", env });
  expect(stderr).toContain("→ npm run flock -- up");
  expect((await box.run("status", { env })).stderr).toContain("→ flock up");
});

test("in a checkout, lines and remarks name that command too", () => {
  const written = { out: "", err: "" };
  const sink = (into: "out" | "err") => ({
    write: (text: string) => void (written[into] += text),
    isTTY: false,
    columns: 80,
  });
  const program = "npm run flock --";
  const out = createOut({ stdout: sink("out"), stderr: sink("err"), env: {}, json: false, program });
  out.line("flock down stops it; npm run flock -- up starts it");
  out.note("Revoke it with: flock token revoke key_1");
  expect(written.out).toBe("npm run flock -- down stops it; npm run flock -- up starts it\n");
  expect(written.err).toBe("Revoke it with: npm run flock -- token revoke key_1\n");
});

test("in a checkout, every command of the list is named as it works there", () => {
  let written = "";
  const sink = { write: (text: string) => void (written += text), isTTY: false, columns: 80 };
  const out = createOut({ stdout: sink, stderr: sink, env: {}, json: false, program: "npm run flock --" });
  for (const { name } of COMMANDS) {
    written = "";
    out.fail({ exitCode: 1, message: `set it with \`flock ${name}\``, mend: `flock ${name}` });
    expect(written).toBe(`✗ set it with \`npm run flock -- ${name}\`\n  → npm run flock -- ${name}\n`);
  }
});

test("a table that is too wide for the terminal is cut short, and loses what is spare before it breaks the lines", () => {
  const rows = [{ id: "key_0123456789abcdef", name: "a-rather-long-name-of-a-key", last: "12 minutes ago" }];
  const table = (columns: number): string[] => {
    let written = "";
    const sink = { write: (text: string) => void (written += text), isTTY: true, columns };
    createOut({ stdout: sink, stderr: sink, env: { NO_COLOR: "1" }, json: false }).table(rows, [
      { title: "ID", cell: ({ id }) => id },
      { title: "NAME", cell: ({ name }) => name, shrink: true },
      { title: "LAST USED", cell: ({ last }) => last, spare: true },
    ]);
    return written.trimEnd().split("\n");
  };
  expect(table(80)[0]).toMatch(/^ID +NAME +LAST USED$/);
  expect(table(50)[1]).toBe("key_0123456789abcdef  a-rather-lo…  12 minutes ago");
  expect(table(40)[0]).toMatch(/^ID +NAME$/);
  expect(table(40)[1]).toBe("key_0123456789abcdef  a-rather-long-nam…");
});

test("a command that this version lacks says what does it today", async () => {
  const { exitCode, stderr } = await box.run("model add llama-3.2-1b");
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/→ flock down; flock up +# once a \.gguf file of it is in \S+models; flock model info <id>/);
  expect((await box.run("connect cursor")).stderr).toContain("docs/clients.md");
});

test("--url is Flock's own, not the one that clients are told", async () => {
  const { exitCode, stderr } = await box.run("status --url http://127.0.0.1:8080/v1/");
  expect(exitCode).toBe(2);
  expect(stderr).toContain("→ --url http://127.0.0.1:8080\n");
});

test("doctor lists what it found, and exits with 1 when something could be better", async () => {
  const { exitCode, stdout, stderr } = await box.run("doctor");
  expect(exitCode).toBe(1);
  expect(stdout).toContain("✔ machine: linux x64");
  expect(stdout).toContain("→ npm run engine:gpu");
  expect(stderr).toContain("1 thing could be better");
  const json = JSON.parse((await box.run("doctor --json")).stdout) as { ok: boolean; findings: unknown[] };
  expect(json).toMatchObject({ ok: false, findings: [{ check: "machine" }, { check: "gpu" }] });
});
