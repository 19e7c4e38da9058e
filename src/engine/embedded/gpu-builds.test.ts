import { expect, test } from "bun:test";
import { join } from "node:path";
import { buildsFor, describe, type GpuCandidate, type GpuDescription } from "./gpu-builds.ts";

const CUDA: GpuCandidate = { build: "cuda", installed: true, usable: true, why: "finds NVIDIA GeForce RTX 4090" };
const CPU: GpuCandidate = { build: "cpu", installed: true, usable: true, why: "the CPU build works" };

test("the best build that works is chosen, and what was passed over says why", () => {
  expect(describe([CUDA, CPU])).toMatchObject({ chosen: "cuda", reason: "finds NVIDIA GeForce RTX 4090" });
  const broken = { ...CUDA, usable: false, why: "is installed and finds no device" };
  expect(describe([broken, CPU])).toMatchObject({
    chosen: "cpu",
    reason: "the CPU build works (cuda: is installed and finds no device)",
  });
  expect(describe([broken])).toMatchObject({ chosen: null });
  expect(describe([]).reason).toContain("none for this platform");
});

test("every platform that Flock runs on has builds, the CPU or Metal at last", () => {
  for (const [platform, arch] of [
    ["linux", "x64"],
    ["linux", "arm64"],
    ["darwin", "arm64"],
    ["darwin", "x64"],
  ]) {
    expect(["cpu", "metal"]).toContain(buildsFor(platform ?? "", arch ?? "").at(-1)?.gpu ?? "none");
  }
});

test("the engine's program tells what it would compute on, without a model or a secret", async () => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "child.ts"), "--describe-gpu"], {
    env: {},
    stdout: "pipe",
    stderr: "pipe",
  });
  const said = JSON.parse(await new Response(child.stdout).text()) as GpuDescription;
  expect(await child.exited).toBe(0);
  expect(said.chosen).not.toBeNull();
  expect(said.candidates.map(({ build }) => build)).toEqual(
    buildsFor(process.platform, process.arch).map(({ gpu }) => gpu),
  );
  expect(said.candidates.find(({ usable }) => usable)?.build).toBe(said.chosen ?? "cpu");
}, 20_000);
