import { afterEach, beforeEach, expect, test } from "bun:test";
import { CliSandbox } from "./captured-io.ts";

let box: CliSandbox;
beforeEach(() => {
  box = new CliSandbox();
});
afterEach(() => box.remove());

test("config show needs no server, names who set what, and hides secrets", async () => {
  box.write("config.yaml", "listen: 127.0.0.1:9000\nmesh:\n  auth_key: hunter2\n");
  const env = { FLOCK_LOG_LEVEL: "debug", FLOCK_LSTEN: "x" };
  const { exitCode, stdout, stderr } = await box.run(
    "config show --router-default-model m --no-router-sticky-sessions",
    { env },
  );
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^listen +127\.0\.0\.1:9000 +config\.yaml:1:9 +yes$/m);
  expect(stdout).toMatch(/^log_level +debug +FLOCK_LOG_LEVEL +yes$/m);
  expect(stdout).toMatch(/^router\.default_model +m +--router-default-model +yes$/m);
  expect(stdout).toMatch(/^router\.sticky_sessions +false +--router-sticky-sessions +yes$/m);
  expect(stdout).not.toContain("hunter2");
  expect(stderr).toContain("did you mean FLOCK_LISTEN?");

  const { settings } = JSON.parse((await box.run("config show --json", { env })).stdout) as {
    settings: Record<string, unknown>[];
  };
  expect(settings.find((row) => row["key"] === "mesh.auth_key")).toEqual({
    key: "mesh.auth_key",
    value: "[redacted]",
    origin: "file",
    detail: expect.stringContaining("config.yaml:3:"),
    effective: true,
    secret: true,
  });
});

test("config check exits with 1 and a line for each problem, with its place", async () => {
  expect(await box.run("config check")).toMatchObject({ exitCode: 0, stderr: "" });
  box.write("config.yaml", "lsiten: :80\nlog_level: loud\n");
  const { exitCode, stdout, stderr } = await box.run("config check");
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toContain('config.yaml:1:1: unknown key "lsiten"; did you mean listen?');
  expect(stderr).toContain('config.yaml:2:12: log_level: "loud" is not one of');
  expect(stderr.match(/^✗/gm)).toHaveLength(2);
});

test("config path and config edit print what can be used in a command line", async () => {
  expect((await box.run("config path --data-dir sub")).stdout).toBe(`${box.home}/sub/config.yaml\n`);
  const env = { EDITOR: "nano -w", FLOCK_DATA_DIR: "/srv/o'dd dir" };
  expect((await box.run("config edit", { env })).stdout).toBe(`nano -w '/srv/o'\\''dd dir/config.yaml'\n`);
});
