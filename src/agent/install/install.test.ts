import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Gpu } from "../../core/node.ts";
import { install, type InstallProgress, type InstallWish } from "./installer.ts";
import { InstalledVersions } from "./installed.ts";
import { makeTarGz, type TarMember } from "./test-archive.ts";
import { assetsFor, newestCuda, variantFor } from "./variant.ts";

const PROGRAM = { path: "llama-b7/llama-server", mode: 0o755, text: "#!/bin/sh\necho version: 7\n" };
const GOOD: readonly TarMember[] = [
  { path: "llama-b7/", directory: true },
  PROGRAM,
  { path: "llama-b7/libggml.so.1", text: "library" },
  { path: "llama-b7/libggml.so", link: "libggml.so.1" },
  { path: `llama-b7/${"long/".repeat(30)}name.txt`, text: "a path longer than a header holds" },
];
const GIGABYTE = 1e9;
const nvidia = (driver: string): Gpu => ({ vendor: "nvidia", name: "", memoryBytes: GIGABYTE, driver });

let dataDir: string;
let mirror: Mirror;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "flock-install-"));
  mirror = startMirror();
});
afterEach(async () => {
  await mirror.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

interface Mirror {
  readonly url: string;
  /** By name; what is not here is a 404. */
  readonly files: Map<string, Uint8Array<ArrayBuffer>>;
  readonly asked: { readonly path: string; readonly range: string | null }[];
  digests: boolean;
  /** Cuts answers off after so many bytes. */
  cutAfter: number;
  ranges: boolean;
  stop(): Promise<void>;
}

/** A release server with the shapes of GitHub's API. */
function startMirror(): Mirror {
  const state = {
    files: new Map<string, Uint8Array<ArrayBuffer>>(),
    asked: [] as { path: string; range: string | null }[],
    digests: true,
    cutAfter: Infinity,
    ranges: true,
  };
  const server: Bun.Server<undefined> = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request): Response {
      const { pathname } = new URL(request.url);
      const range = request.headers.get("range");
      state.asked.push({ path: pathname, range });
      if (pathname === "/releases/latest" || pathname === "/releases/tags/b7") {
        const assets = [...state.files].map(([name, bytes]) => ({
          name,
          size: bytes.length,
          digest: state.digests ? `sha256:${sha256(bytes)}` : null,
          browser_download_url: `http://127.0.0.1:${server.port}/files/${name}`,
        }));
        return Response.json({ tag_name: "b7", assets });
      }
      const bytes = state.files.get(pathname.replace("/files/", ""));
      if (bytes === undefined) return new Response("Not Found", { status: 404 });
      const from = state.ranges ? Number(/bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0) : 0;
      const rest = bytes.subarray(from, from + state.cutAfter);
      return new Response(rest, { status: from > 0 ? 206 : 200 });
    },
  });
  return Object.assign(state, { url: `http://127.0.0.1:${server.port}/releases`, stop: () => server.stop(true) });
}

function sha256(bytes: Uint8Array<ArrayBuffer>): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

const cpu = "llama-b7-bin-ubuntu-x64.tar.gz";
const WISH: InstallWish = { version: null, variant: "cpu", sha256: null };
const progress: InstallProgress[] = [];

async function run(wish: InstallWish = WISH, gpus: readonly Gpu[] = []) {
  progress.length = 0;
  const parts = {
    dataDir,
    releaseUrl: mirror.url,
    platform: { os: "linux", arch: "x64" },
    gpus: () => Promise.resolve(gpus),
  };
  return await install(parts, wish, (one) => progress.push(one), new AbortController().signal);
}
const leftovers = (): string[] => readdirSync(join(dataDir, "llama.cpp")).filter((name) => name !== "downloads");

test("the newest release is fetched, checked, unpacked and pinned, and progress is told in bytes", async () => {
  mirror.files.set(cpu, makeTarGz(GOOD));
  expect(await run()).toMatchObject({ ok: true, value: { version: "b7", variant: "cpu", pinned: true } });
  const versions = new InstalledVersions(dataDir);
  const program = versions.pinnedProgram("llama-server") ?? "";
  expect(program).toBe(join(dataDir, "llama.cpp/b7-cpu/llama-b7/llama-server"));
  expect(statSync(program).mode & 0o111).not.toBe(0);
  expect(existsSync(join(program, "../libggml.so"))).toBe(true);
  expect(progress.some(({ bytes, totalBytes }) => bytes === totalBytes && bytes > 0)).toBe(true);
  // Asked again, it is there and nothing is fetched.
  const asked = mirror.asked.length;
  expect(await run()).toMatchObject({ ok: true });
  expect(mirror.asked.length).toBe(asked + 1);
});

test("several versions live side by side, one of them pinned", async () => {
  mirror.files.set(cpu, makeTarGz(GOOD));
  await run();
  const versions = new InstalledVersions(dataDir);
  const other = join(dataDir, "llama.cpp/b6-vulkan/llama-b6");
  mkdirSync(other, { recursive: true });
  writeFileSync(join(other, "llama-server"), "");
  expect(versions.list().map(({ version, pinned }) => [version, pinned])).toContainEqual(["b6", false]);
  const found = versions.find("b6");
  if (found !== null) versions.pin(found);
  expect(versions.pinnedProgram("llama-server")).toBe(join(other, "llama-server"));
  expect(versions.find("b5")).toBeNull();
});

test("a download that broke off is gone on with, and is not trusted blindly", async () => {
  const archive = makeTarGz(GOOD);
  mirror.files.set(cpu, archive);
  mirror.cutAfter = 100;
  const broken = await run();
  expect(broken).toMatchObject({ ok: false, error: { message: expect.stringContaining("broke off after 100") } });
  mirror.cutAfter = Infinity;
  expect(await run()).toMatchObject({ ok: true });
  expect(mirror.asked.at(-1)).toEqual({ path: `/files/${cpu}`, range: "bytes=100-" });
});

test("a server without ranges begins again at the beginning", async () => {
  mirror.files.set(cpu, makeTarGz(GOOD));
  mirror.cutAfter = 100;
  await run();
  mirror.cutAfter = Infinity;
  mirror.ranges = false;
  expect(await run()).toMatchObject({ ok: true });
});

test("a wrong checksum is refused and what was fetched is thrown away", async () => {
  mirror.files.set(cpu, makeTarGz(GOOD));
  const wrong = await run({ ...WISH, sha256: "0".repeat(64) });
  expect(wrong).toMatchObject({ ok: false, error: { message: expect.stringContaining("not 0000") } });
  expect(readdirSync(join(dataDir, "llama.cpp/downloads"))).toEqual([]);
  expect(leftovers()).toEqual([]);
});

test("a release without checksums needs one from the person", async () => {
  const archive = makeTarGz(GOOD);
  mirror.files.set(cpu, archive);
  mirror.digests = false;
  expect(await run()).toMatchObject({ ok: false, error: { mend: expect.stringContaining("--sha256") } });
  expect(await run({ ...WISH, sha256: sha256(archive) })).toMatchObject({ ok: true });
});

const BAD: readonly (readonly [string, readonly TarMember[], string])[] = [
  ["a path that climbs out", [PROGRAM, { path: "llama-b7/../../../evil", text: "x" }], "it holds the path"],
  ["an absolute path", [PROGRAM, { path: "/tmp/evil", text: "x" }], "it holds the path"],
  ["a link to an absolute path", [PROGRAM, { path: "llama-b7/evil", link: "/etc/passwd" }], "a link leads"],
  ["a link that climbs out", [PROGRAM, { path: "llama-b7/evil", link: "../../../.." }], "a link leads out"],
  [
    "a file written through a link",
    [
      { path: "a/", directory: true },
      { path: "a/b", link: ".." },
      { path: "c", link: "a/b/.." },
      { path: "c/evil", text: "x" },
    ],
    "leads out of it",
  ],
  ["a device", [PROGRAM, { path: "llama-b7/null", device: true }], "neither file, directory nor link"],
  ["no program", [{ path: "llama-b7/README", text: "x" }], "holds no llama-server"],
];

test.each(BAD)("an archive with %s is refused, and nothing of it stays", async (_, members, why) => {
  mirror.files.set(cpu, makeTarGz(members));
  expect(await run()).toMatchObject({ ok: false, error: { message: expect.stringContaining(why) } });
  expect(leftovers()).toEqual([]);
  expect(existsSync(join(dataDir, "evil"))).toBe(false);
});

test("a damaged archive and a program that does not run are told as such", async () => {
  mirror.files.set(cpu, makeTarGz(GOOD).subarray(0, 200));
  expect(await run()).toMatchObject({ ok: false, error: { message: expect.stringContaining("cannot be unpacked") } });
  mirror.files.set(cpu, makeTarGz([{ ...PROGRAM, text: "#!/bin/sh\nexit 127\n" }]));
  rmSync(join(dataDir, "llama.cpp"), { recursive: true });
  expect(await run()).toMatchObject({ ok: false, error: { message: expect.stringContaining("does not run") } });
});

test("without a network, or without that release, the error names what to do", async () => {
  expect(await run({ ...WISH, version: "b9" })).toMatchObject({
    ok: false,
    error: { message: expect.stringContaining("no release b9"), mend: expect.stringContaining("--version") },
  });
  mirror.files.set(cpu, makeTarGz(GOOD));
  await mirror.stop();
  expect(await run()).toMatchObject({ ok: false, error: { mend: expect.stringContaining("FLOCK_LLAMA_BIN_DIR") } });
});

test("the variant follows GPU and driver", () => {
  const linux = { os: "linux", arch: "x64" };
  expect(variantFor(linux, [])).toBe("cpu");
  expect(variantFor(linux, [nvidia("580.82.07")])).toBe("cuda");
  expect(variantFor(linux, [nvidia("470.1")])).toBe("vulkan");
  expect(variantFor(linux, [{ vendor: "amd", name: "", memoryBytes: null, driver: null }])).toBe("rocm");
  expect(variantFor({ os: "darwin", arch: "arm64" }, [])).toBe("metal");
  expect([newestCuda("580.1"), newestCuda("535.9"), newestCuda("470.0"), newestCuda(null)]).toEqual([
    13,
    12,
    null,
    null,
  ]);
});

test("the archive's name follows the release, CUDA by what the driver can run, with the runtime beside it", () => {
  const asset = (name: string) => ({ name, url: "http://x/", bytes: 1, sha256: null });
  const names = ["x64", "arm64", "vulkan-x64", "cuda-12.8-x64", "cuda-13.4-x64", "rocm-10.0-x64"];
  const assets = [
    ...names.map((name) => asset(`llama-b7-bin-ubuntu-${name}.tar.gz`)),
    asset("llama-b7-bin-macos-arm64.tar.gz"),
    asset("llama-b7-bin-macos-x64.tar.gz"),
    asset("cudart-llama-b7-bin-ubuntu-cuda-12.8-x64.tar.gz"),
  ];
  const pick = (os: string, arch: string, variant: Parameters<typeof assetsFor>[2], driver: string | null = null) => {
    const found = assetsFor({ tag: "b7", assets }, { os, arch }, variant, driver);
    return found.ok ? found.value.map(({ name }) => name) : found.error.message;
  };
  expect(pick("linux", "x64", "cpu")).toEqual(["llama-b7-bin-ubuntu-x64.tar.gz"]);
  expect(pick("linux", "x64", "vulkan")).toEqual(["llama-b7-bin-ubuntu-vulkan-x64.tar.gz"]);
  expect(pick("linux", "x64", "rocm")).toEqual(["llama-b7-bin-ubuntu-rocm-10.0-x64.tar.gz"]);
  expect(pick("linux", "x64", "cuda", "580.1")).toEqual(["llama-b7-bin-ubuntu-cuda-13.4-x64.tar.gz"]);
  expect(pick("linux", "x64", "cuda", "550.1")).toEqual([
    "llama-b7-bin-ubuntu-cuda-12.8-x64.tar.gz",
    "cudart-llama-b7-bin-ubuntu-cuda-12.8-x64.tar.gz",
  ]);
  expect(pick("darwin", "arm64", "metal")).toEqual(["llama-b7-bin-macos-arm64.tar.gz"]);
  expect(pick("darwin", "x64", "cpu")).toEqual(["llama-b7-bin-macos-x64.tar.gz"]);
  expect(pick("linux", "arm64", "rocm")).toContain("no rocm archive");
  expect(pick("linux", "x64", "metal")).toContain("no metal build");
});
