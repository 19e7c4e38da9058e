import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeConfig } from "./describe.ts";
import { type ConfigInput, loadConfig, type LoadedConfig } from "./load.ts";
import type { ConfigProblem } from "./problem.ts";
import { HIDDEN, redactUrl } from "./redact-url.ts";
import { type AnySetting, type SettingKey, SETTINGS } from "./settings.ts";

const root = mkdtempSync(join(tmpdir(), "flock-config-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let homes = 0;
/** A fresh home directory whose `.flock/config.yaml` holds `yaml`. */
function given(yaml: string | null, rest: Partial<ConfigInput> = {}): ConfigInput & { path: string } {
  const home = join(root, `home${homes++}`);
  const path = join(home, ".flock", "config.yaml");
  mkdirSync(join(home, ".flock"), { recursive: true });
  if (yaml !== null) writeFileSync(path, yaml, { mode: 0o600 });
  return { env: {}, flags: {}, cwd: home, home, ...rest, path };
}

async function load(input: ConfigInput): Promise<LoadedConfig> {
  const loaded = await loadConfig(input);
  if (!loaded.ok) throw new Error(loaded.error.map((problem) => `${problem.where}: ${problem.message}`).join("\n"));
  return loaded.value;
}

async function problemsOf(input: ConfigInput): Promise<readonly ConfigProblem[]> {
  const loaded = await loadConfig(input);
  return loaded.ok ? [] : loaded.error;
}

function valueAt(tree: unknown, key: string): unknown {
  return key.split(".").reduce((at, part) => (at as Record<string, unknown>)[part], tree);
}

function nested(key: string, value: unknown): string {
  const tree = key.split(".").reduceRight<unknown>((inner, part) => ({ [part]: inner }), value);
  return JSON.stringify(tree);
}

/** Per key: a value for the file, one for the environment, one for the flag; each as written and as read. */
type Sample = { written: string; read: unknown };
const same = (...values: (string | number)[]): Sample[] =>
  values.map((value) => ({ written: String(value), read: value }));
const flip = (first: boolean): Sample[] =>
  [first, !first, first].map((value) => ({ written: String(value), read: value }));
const urls = same("http://10.0.0.1:1", "http://10.0.0.2:2", "https://c.example:3");
const words = same("one", "two", "three");
const paths = same("/srv/one", "/srv/two", "/srv/three");

const SAMPLES = {
  listen: same("127.0.0.1:1", "127.0.0.1:0", "[::1]:3"),
  external_url: urls,
  data_dir: [],
  log_level: same("debug", "warn", "error"),
  catalog_dir: paths,
  "storage.type": same("postgres", "postgres", "postgres"),
  "storage.dsn": paths,
  "storage.models_dir": paths,
  "auth.require_keys": flip(false),
  "engine.preferred": same("ollama", "vllm", "mlx"),
  "engine.ollama_endpoint": urls,
  "engine.vllm_endpoint": urls,
  "engine.vllm_api_key": words,
  "engine.mlx_endpoint": urls,
  "engine.ollama_context": same(4096, 8192, 16384),
  "engine.ollama_slots": same(1, 2, 4),
  "engine.ollama_keep_alive": same("-1", "30m", "5m"),
  "engine.mlx_model": words,
  "engine.mlx_context": same(1024, 2048, 4096),
  "engine.mlx_concurrency": same(2, 3, 4),
  "engine.llamacpp_endpoint": urls,
  "engine.llamacpp_api_key": words,
  "engine.port_range": same("9000-9010", "9100-9110", "9200"),
  "engine.llama_bin_dir": paths,
  "engine.ollama_bin": paths,
  "engine.release_url": urls,
  "engine.embedded_slots": same(2, 3, 4),
  "engine.embedded_context": same(1024, 2048, 4096),
  "engine.embedded_threads": same(2, 3, 4),
  "engine.embedded_gpu": same("off", "auto", "off"),
  "router.default_model": words,
  "router.sticky_sessions": flip(false),
  "router.latency_fallback_p95_seconds": same(1, 2.5, 3),
  "router.fallback.enabled": flip(true),
  "router.fallback.anthropic_url": urls,
  "router.fallback.anthropic_api_key": words,
  "router.fallback.openai_url": urls,
  "router.fallback.openai_api_key": words,
  "router.fallback.bedrock_region": words,
  "router.fallback.vertex_project": words,
  "router.fallback.vertex_location": words,
  "responses.store": same("disk", "memory", "disk"),
  "usage.fsync": flip(true),
  "observability.otlp_endpoint": same("http://10.0.0.1:4318", "collector:4318", "http://10.0.0.3:1"),
  "tls.cert": paths,
  "tls.key": paths,
  "cluster.listen": same("127.0.0.1:1", "127.0.0.1:0", "[::1]:3"),
  "cluster.discovery": flip(false),
  "mesh.backend": same("tailscale", "lan", "tailscale"),
  "mesh.auth_key": words,
  "mesh.login_server": urls,
  "mesh.tailnet_name": words,
  "mesh.socket": paths,
  "cluster.coordinator_node": words,
  "cluster.reject_bearer": flip(false),
} as const satisfies Record<SettingKey, readonly Sample[]>;

/** What another setting must say for this one to be allowed. */
const COMPANIONS: Partial<Record<SettingKey, Record<string, string>>> = {
  "auth.require_keys": { FLOCK_LISTEN: "127.0.0.1:8080" },
  "storage.type": { FLOCK_STORAGE_DSN: "postgres://db/flock" },
  "tls.cert": { FLOCK_TLS_KEY: "/srv/key.pem" },
  "tls.key": { FLOCK_TLS_CERT: "/srv/cert.pem" },
};

describe("every setting by file, environment and flag", () => {
  const rows: readonly AnySetting[] = SETTINGS.filter((setting) => setting.key !== "data_dir");
  test.each(rows.map((setting) => [setting.key, setting] as const))("%s", async (key, setting) => {
    const [byFile, byEnv, byFlag] = SAMPLES[key as SettingKey] as readonly Sample[];
    if (!byFile || !byEnv || !byFlag) throw new Error(`no samples for ${key}`);
    const companions = COMPANIONS[key as SettingKey] ?? {};
    const expectFrom = async (input: ConfigInput, value: unknown, source: string, detail: string): Promise<void> => {
      const needed = source === "default" ? {} : companions;
      const loaded = await load({ ...input, env: { ...needed, ...input.env } });
      expect(valueAt(loaded.values, key)).toEqual(value);
      const origin = loaded.origin[key as SettingKey];
      expect(origin.source as string).toBe(source);
      expect(origin.detail).toStartWith(detail);
    };

    const alone = given(null);
    const byDefault =
      typeof setting.default === "function"
        ? setting.default({ home: alone.home, dataDir: join(alone.home, ".flock") })
        : setting.default;
    await expectFrom(alone, byDefault, "default", "");

    const inFile = given(setting.inFile ? nested(key, byFile.read) : null);
    if (setting.inFile) {
      await expectFrom(inFile, byFile.read, "file", `${inFile.path}:1:`);
    } else {
      const [problem] = await problemsOf(given(nested(key, byFile.read)));
      expect(problem?.mend).toContain(setting.env);
    }

    const withEnv = { ...inFile, env: { [setting.env]: byEnv.written } };
    await expectFrom(withEnv, byEnv.read, "env", setting.env);

    if (setting.flag === null) {
      expect(setting.secret || !setting.inFile).toBe(true);
    } else {
      const withFlag = { ...withEnv, flags: { [setting.flag]: byFlag.written } };
      await expectFrom(withFlag, byFlag.read, "flag", `--${setting.flag}`);
    }
  });

  test("variables and flags are unique, and secrets are never flags", () => {
    const all: readonly AnySetting[] = SETTINGS;
    expect(new Set(all.map((setting) => setting.env)).size).toBe(all.length);
    const flags = all.flatMap((setting) => setting.flag ?? []);
    expect(new Set(flags).size).toBe(flags.length);
    expect(all.filter((setting) => setting.secret && setting.flag !== null)).toEqual([]);
  });
});

describe("the data directory", () => {
  test("is ~/.flock, then FLOCK_DATA_DIR, then --data-dir, and storage follows it", async () => {
    const input = given(null);
    expect((await load(input)).values.data_dir).toBe(join(input.home, ".flock"));
    const byEnv = await load({ ...input, env: { FLOCK_DATA_DIR: "~/env" } });
    expect(byEnv.values.storage.dsn).toBe(join(input.home, "env", "state.db"));
    expect(byEnv.origin.data_dir).toEqual({ source: "env", detail: "FLOCK_DATA_DIR" });
    const byFlag = await load({ ...input, env: { FLOCK_DATA_DIR: "~/env" }, flags: { "data-dir": "here" } });
    expect(byFlag.values.data_dir).toBe(join(input.cwd, "here"));
    expect(byFlag.path).toBe(join(input.cwd, "here", "config.yaml"));
    expect(byFlag.origin.data_dir).toEqual({ source: "flag", detail: "--data-dir" });
  });

  test("may stand in the file when it says the same place", async () => {
    const input = given("data_dir: ~/.flock\n");
    expect((await load(input)).origin.data_dir).toEqual({ source: "file", detail: `${input.path}:1:11` });
  });

  test("in the file cannot point elsewhere", async () => {
    const [problem] = await problemsOf(given("listen: :8081\ndata_dir: /elsewhere\n"));
    expect(problem?.where).toEndWith("config.yaml:2:11");
    expect(problem?.mend).toContain("FLOCK_DATA_DIR=/elsewhere");
  });
});

describe("the file", () => {
  const WRONG: [name: string, yaml: string, place: string, message: string][] = [
    ["an unknown key, with the nearest", "lsiten: :80\n", ":1:1", "did you mean listen?"],
    ["an unknown nested key", "engine:\n  prefered: auto\n", ":2:3", "did you mean engine.preferred?"],
    ["a key in the wrong section", "require_keys: true\n", ":1:1", "did you mean auth.require_keys?"],
    ["a dotted key", "auth.require_keys: true\n", ":1:1", "written with dots"],
    ["a wrong type", "auth:\n  require_keys: maybe\n", ":2:17", '"maybe" is not true or false'],
    ["a wrong choice", "log_level: infos\n", ":1:12", "is not one of debug, info, warn, error"],
    ["a section that is a value", "auth: true\n", ":1:7", "must hold settings"],
    ["a list", "- listen\n", ":1:1", "must hold settings"],
    ["a key without a value", "listen:\n", ":1:1", "listen has no value"],
    ["a key twice", "listen: :1\nlisten: :2\n", ":2:1", "unique"],
    ["broken YAML", 'listen: ":80\n', ":2:1", "is not valid YAML"],
    ["a number out of range", "engine:\n  mlx_concurrency: 0\n", ":2:20", "0 is not a whole number from 1 to 64"],
    ["a URL without a scheme", "external_url: flock.lan\n", ":1:15", '"flock.lan" is not a URL'],
  ];
  test.each(WRONG)("refuses %s", async (_, yaml, place, message) => {
    const [problem] = await problemsOf(given(yaml));
    expect(problem?.where).toEndWith(`config.yaml${place}`);
    expect(problem?.message).toContain(message);
    expect(problem?.mend).not.toBe("");
  });

  test("may be empty, all comments, or have empty sections", async () => {
    for (const yaml of ["", "# nothing\n", "auth:\n  # require_keys: true\nlisten: 8081\n"]) await load(given(yaml));
  });

  test("reports all problems at once, also those of the environment and the flags", async () => {
    const input = given("log_level: loud\nbogus: 1\n", {
      env: { FLOCK_LISTEN: "nowhere" },
      flags: { "usage-fsync": "eh" },
    });
    const problems = await problemsOf(input);
    expect(problems.map((problem) => problem.source).toSorted()).toEqual(["env", "file", "file", "flag"]);
  });

  test("hides a wrong secret in its error", async () => {
    const problems = await problemsOf(given("mesh:\n  auth_key: [hunter2]\n"));
    expect(problems).toHaveLength(1);
    expect(JSON.stringify(problems)).not.toContain("hunter2");
  });

  test("that is a directory is a problem with its mend", async () => {
    const input = given(null);
    mkdirSync(input.path);
    expect((await problemsOf(input))[0]?.mend).toContain("mv ");
  });

  test("with a secret in it that others can read is warned about", async () => {
    const input = given("mesh:\n  auth_key: hunter2\n");
    chmodSync(input.path, 0o644);
    expect((await load(input)).warnings.join()).toContain(`chmod 600 ${input.path}`);
  });
});

describe("settings together", () => {
  test("keys cannot be switched off where other machines reach Flock", async () => {
    const open = given("auth:\n  require_keys: false\n");
    const [problem] = await problemsOf(open);
    expect(problem?.where).toEndWith("config.yaml:2:17");
    expect(problem?.mend).toContain('listen: "127.0.0.1:8080"');
    for (const listen of ["127.0.0.1:1", "[::1]:1", "localhost:1"]) await load({ ...open, flags: { listen } });
    for (const listen of ["0.0.0.0:1", "8080", "[::]:1", "flock.lan:1"]) {
      expect(await problemsOf({ ...open, flags: { listen } })).toHaveLength(1);
    }
  });

  test("a certificate needs its key", async () => {
    expect((await problemsOf(given("tls:\n  cert: /c.pem\n")))[0]?.message).toContain("tls.key");
  });
});

describe("warnings", () => {
  test("name the nearest known variable for an unknown FLOCK_ one", async () => {
    const { warnings } = await load(given(null, { env: { FLOCK_LISTN: ":1", FLOCK_TOKEN: "t", OTHER: "x" } }));
    expect(warnings).toEqual(["The variable FLOCK_LISTN is unknown and has no effect; did you mean FLOCK_LISTEN?"]);
  });

  test("name what was set without effect, unless it says the default", async () => {
    const env = { FLOCK_BEDROCK_REGION: "eu-west-1", OPENAI_API_KEY: "sk", FLOCK_VERTEX_LOCATION: "us-central1" };
    const { warnings } = await load(given("router:\n  fallback:\n    vertex_project: flock\n", { env }));
    expect(warnings).toEqual([
      "Set, but without effect in this version yet: router.fallback.bedrock_region, router.fallback.vertex_project",
    ]);
  });
});

test("an empty variable counts as not set", async () => {
  expect((await load(given(null, { env: { FLOCK_LISTEN: "", FLOCK_DATA_DIR: "" } }))).origin.listen.source).toBe(
    "default",
  );
});

test("the values are frozen through and through", async () => {
  const { values } = await load(given(null));
  expect(Object.isFrozen(values)).toBe(true);
  expect(Object.isFrozen(values.router.fallback)).toBe(true);
});

test("the description hides secrets and passwords in URLs, and marks what has no effect", async () => {
  const env = {
    FLOCK_MESH_AUTH_KEY: "hunter2",
    FLOCK_STORAGE_TYPE: "postgres",
    FLOCK_STORAGE_DSN: "postgres://u:hunter2@db/flock",
    FLOCK_MESH_BACKEND: "tailscale",
  };
  const rows = describeConfig(await load(given(null, { env })));
  expect(JSON.stringify(rows)).not.toContain("hunter2");
  const row = (key: string) => rows.find((candidate) => candidate.key === key);
  expect(row("mesh.auth_key")).toMatchObject({ value: HIDDEN, origin: "env", secret: true });
  expect(row("storage.dsn")?.value).toBe(`postgres://${HIDDEN}@db/flock`);
  expect(row("mesh.backend")?.effective).toBe(true);
  expect(row("router.fallback.vertex_project")?.effective).toBe(false);
  expect(row("engine.llamacpp_api_key")?.value).toBe("");
  expect(rows).toHaveLength(SETTINGS.length);
});

describe("where the data is", () => {
  const server = "postgres://u:hunter2@db/flock";
  const textOf = async (input: Partial<ConfigInput>): Promise<string> => {
    const loaded = await loadConfig({ ...given(null), ...input });
    if (loaded.ok) return "";
    const text = JSON.stringify(loaded.error);
    expect(text).not.toContain("hunter2");
    return text;
  };

  test("a server's URL and the kind of database must agree", async () => {
    expect(await textOf({ env: { FLOCK_STORAGE_TYPE: "postgres" } })).toContain("FLOCK_STORAGE_DSN=postgres://user");
    expect(await textOf({ env: { FLOCK_STORAGE_DSN: server } })).toContain("FLOCK_STORAGE_TYPE=postgres");
    expect(await textOf({ env: { FLOCK_STORAGE_DSN: server, FLOCK_STORAGE_TYPE: "postgres" } })).toBe("");
  });

  test("a password in a flag is refused, because others can read it there; a URL without one is taken", async () => {
    const env = { FLOCK_STORAGE_TYPE: "postgres" };
    expect(await textOf({ env, flags: { "storage-dsn": server } })).toContain("FLOCK_STORAGE_DSN");
    const asParameter = "postgres://db/flock?password=hunter2";
    expect(await textOf({ env, flags: { "storage-dsn": asParameter } })).toContain("FLOCK_STORAGE_DSN");
    expect(await textOf({ env, flags: { "storage-dsn": "postgres://u@db/flock" } })).toBe("");
  });

  test.each([
    ["postgres://u:hunter2@db/flock", `postgres://${HIDDEN}@db/flock`],
    ["postgres://u:hun/ter2@x@db/flock", `postgres://${HIDDEN}@db/flock`],
    [
      "postgres://db/flock?user=u&password=hunter2&sslmode=require",
      `postgres://db/flock?user=u&password=${HIDDEN}&sslmode=require`,
    ],
    ["/srv/a@b.db", "/srv/a@b.db"],
  ])("%s is shown without its password", (dsn, as) => {
    expect(redactUrl(dsn)).toBe(as);
  });
});
