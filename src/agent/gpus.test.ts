import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseNvidiaSmi, readAmd, toAppleGpu } from "./gpus.ts";

test("nvidia-smi gives one GPU a line; memory it does not tell is unknown, not zero", () => {
  const csv =
    "NVIDIA GeForce RTX 4090, 24564, 560.35.03\nNVIDIA GB10, [N/A], 580.95.05\nOrin, [Not Supported], [N/A]\n";
  expect(parseNvidiaSmi(csv)).toEqual([
    { vendor: "nvidia", name: "NVIDIA GeForce RTX 4090", memoryBytes: 24_564 * 1024 * 1024, driver: "560.35.03" },
    { vendor: "nvidia", name: "NVIDIA GB10", memoryBytes: null, driver: "580.95.05" },
    { vendor: "nvidia", name: "Orin", memoryBytes: null, driver: null },
  ]);
});

test("what nvidia-smi says instead of a table is no GPU", () => {
  expect(parseNvidiaSmi("")).toEqual([]);
  expect(parseNvidiaSmi("NVIDIA-SMI has failed because it couldn't communicate with the driver.\n")).toEqual([]);
});

const drm = mkdtempSync(join(tmpdir(), "flock-drm-"));
afterAll(() => rmSync(drm, { recursive: true }));

test("AMD cards are read from sysfs; connectors and other vendors are left out", () => {
  const card = (name: string, files: Record<string, string>) => {
    mkdirSync(join(drm, name, "device"), { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(drm, name, "device", file), `${text}\n`);
  };
  card("card0", { vendor: "0x1002", device: "0x744c", mem_info_vram_total: "25753026560" });
  card("card1", { vendor: "0x8086" });
  card("card2", { vendor: "0x1002", product_name: "Radeon PRO W7900" });
  card("card0-DP-1", { vendor: "0x1002" });
  expect(readAmd(drm)).toEqual([
    { vendor: "amd", name: "AMD GPU 0x744c", memoryBytes: 25_753_026_560, driver: "amdgpu" },
    { vendor: "amd", name: "Radeon PRO W7900", memoryBytes: null, driver: "amdgpu" },
  ]);
  expect(readAmd(join(drm, "none"))).toEqual([]);
});

test("Apple Silicon has a GPU without memory of its own, an Intel Mac none that Flock uses", () => {
  const gpu = toAppleGpu("arm64", "Apple M4 Pro\n");
  expect(gpu).toEqual({ vendor: "apple", name: "Apple M4 Pro", memoryBytes: null, driver: "Metal" });
  expect(toAppleGpu("x64", "Intel(R) Core(TM) i7")).toBeNull();
});
