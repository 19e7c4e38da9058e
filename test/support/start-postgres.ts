import { describe, test } from "bun:test";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SQL } from "bun";

const NEEDS = "needs PostgreSQL: apt-get install postgresql";
const USER = "flock";
const START_MS = 20_000;
const DEBIAN = "/usr/lib/postgresql";
/** It only names the socket: nothing listens on a port unless asked. */
const SOCKET_PORT = 5432;

export interface TestPostgres {
  readonly dir: string;
  /** As `storage.dsn`; `search_path` names a schema to work in. */
  dsn(database: string, schema?: string): string;
  /** For the test's own questions. Closed by `remove`. */
  readonly admin: SQL;
  /** Waits until the server takes connections. */
  start(): Promise<void>;
  /** `fast` cuts connections and shuts down; `immediate` is a crash. */
  stop(mode?: "fast" | "immediate"): Promise<void>;
  /** Ends the server and removes its files. */
  remove(): Promise<void>;
}

/** The newest version's programs; null: not installed. */
function binaries(): string | null {
  if (!existsSync(DEBIAN)) return null;
  const versions = readdirSync(DEBIAN).filter((version) => existsSync(join(DEBIAN, version, "bin/initdb")));
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0];
  return newest === undefined ? null : join(DEBIAN, newest, "bin");
}

/** The user that the package made; null when this process is not root and needs none. */
function serverUser(): { readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((text) => text.startsWith("postgres:"));
  const [, , uid, gid] = line?.split(":") ?? [];
  return uid === undefined || gid === undefined ? null : { uid: Number(uid), gid: Number(gid) };
}

const POSTGRES_IS_INSTALLED = binaries() !== null && (process.getuid?.() !== 0 || serverUser() !== null);

/** As `describe`; without PostgreSQL one skipped test takes its place and says what to install. */
export function describePostgres(name: string, body: () => void): void {
  if (POSTGRES_IS_INSTALLED) describe(name, body);
  else test.skip(`${name}; ${NEEDS}`, () => undefined);
}

/** PostgreSQL's own programs refuse to run as root. */
function asServerUser(command: readonly string[]): string[] {
  const user = serverUser();
  if (user === null) return [...command];
  return ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", ...command];
}

/** Makes an empty server in `dir` and gives the command that runs it. */
function initialise(dir: string): string[] {
  const bin = binaries();
  if (bin === null) throw new Error(NEEDS);
  const user = serverUser();
  if (user !== null) chownSync(dir, user.uid, user.gid);
  const data = join(dir, "data");
  // Not the collation of bytes, as on most people's servers.
  const locale = ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8"];
  const init = ["-D", data, "-U", USER, "--auth=trust", "-E", "UTF8", "--no-sync", "--no-instructions", ...locale];
  const made = Bun.spawnSync(asServerUser([join(bin, "initdb"), ...init]), { cwd: dir });
  if (made.exitCode !== 0) throw new Error(`initdb failed: ${made.stderr.toString()}`);
  // With `synchronous_commit` off a crash loses what was committed, unless Flock asks for more.
  const quick = [
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "autovacuum=off",
    "max_connections=200",
  ];
  const settings = ["listen_addresses=", "shared_buffers=32MB", ...quick].flatMap((setting) => ["-c", setting]);
  return asServerUser([join(bin, "postgres"), "-D", data, "-k", dir, "-p", String(SOCKET_PORT), ...settings]);
}

function dsnOf(dir: string): TestPostgres["dsn"] {
  return (database, schema = "") =>
    `postgres://${USER}@/${database}?host=${dir}${schema === "" ? "" : `&options=-csearch_path%3D${schema}`}`;
}

function connect(dir: string): SQL {
  return new SQL({ adapter: "postgres", path: dir, username: USER, database: "postgres", max: 2 });
}

async function untilUp(dir: string): Promise<void> {
  const deadline = performance.now() + START_MS;
  for (;;) {
    const probe = connect(dir);
    const up = await probe`select 1`.then(
      () => true,
      () => false,
    );
    await probe.close({ timeout: 0 });
    if (up) return;
    if (performance.now() > deadline) throw new Error(`no server: ${await Bun.file(join(dir, "server.log")).text()}`);
    await Bun.sleep(20);
  }
}

/** A server of its own on a Unix socket in a temporary directory, without fsync. It ends with its test file at the latest. */
export async function startPostgres(): Promise<TestPostgres> {
  const dir = mkdtempSync(join(tmpdir(), "flock-pg-"));
  const command = initialise(dir);
  const admin = connect(dir);
  let server: Bun.Subprocess | null = null;
  const start = async (): Promise<void> => {
    const stderr = Bun.file(join(dir, "server.log"));
    server = Bun.spawn(command, { cwd: dir, stdin: "ignore", stdout: "ignore", stderr });
    await untilUp(dir);
  };
  const stop = async (mode: "fast" | "immediate" = "fast"): Promise<void> => {
    server?.kill(mode === "fast" ? "SIGINT" : "SIGQUIT");
    await server?.exited;
    server = null;
  };
  await start();
  return {
    dir,
    dsn: dsnOf(dir),
    admin,
    start,
    stop,
    async remove() {
      await admin.close({ timeout: 0 }).catch(() => undefined);
      await stop("immediate");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

// The runner ends a test file's children with the file, so this one is a grandchild; it ends with the runner instead.
const SERVE = `exec >server.log 2>&1 </dev/null; "$@" & server=$!
  while kill -0 $RUNNER 2>/dev/null; do sleep 0.3; done
  kill -QUIT $server; wait $server; cd /; rm -rf "$DIR"`;

/**
 * One server for all test files of this run: whoever comes first starts it. Every caller works in a schema of its own.
 */
export async function sharedPostgres(): Promise<Pick<TestPostgres, "dir" | "dsn">> {
  const dir = join(tmpdir(), `flock-pg-shared-${process.pid}`);
  if (!existsSync(dir)) {
    mkdirSync(dir, { mode: 0o755 });
    const command = initialise(dir);
    Bun.spawnSync(["sh", "-c", `setsid sh -c '${SERVE}' serve "$@" &`, "start", ...command], {
      cwd: dir,
      env: { ...process.env, RUNNER: String(process.pid), DIR: dir },
      stdio: ["ignore", "ignore", "ignore"],
    });
    await untilUp(dir);
  }
  return { dir, dsn: dsnOf(dir) };
}
