import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Inventory } from "../core/node.ts";
import { LoadMeter, parseNvidiaLoad, readAmdLoad } from "./machine-load.ts";

const never = new AbortController().signal;

test("NVIDIA's table is read, and what a card does not tell stays unknown", () => {
  expect(
    parseNvidiaLoad("NVIDIA GeForce RTX 5090, 97, 32607, 30011, 71\nNVIDIA GB10, 12, [N/A], [N/A], 44\n\n"),
  ).toEqual([
    {
      name: "NVIDIA GeForce RTX 5090",
      busy: 0.97,
      memoryBytes: 32607 * 1024 ** 2,
      usedMemoryBytes: 30011 * 1024 ** 2,
      celsius: 71,
    },
    { name: "NVIDIA GB10", busy: 0.12, memoryBytes: null, usedMemoryBytes: null, celsius: 44 },
  ]);
});

test("AMD's load is read from sysfs", () => {
  const drm = mkdtempSync(join(tmpdir(), "flock-drm-"));
  const device = join(drm, "card0", "device");
  mkdirSync(device, { recursive: true });
  const files = { vendor: "0x1002", gpu_busy_percent: "40", mem_info_vram_total: "1000", mem_info_vram_used: "250" };
  for (const [name, value] of Object.entries(files)) writeFileSync(join(device, name), `${value}\n`);
  expect(readAmdLoad(drm)).toEqual([
    { name: "AMD GPU", busy: 0.4, memoryBytes: 1000, usedMemoryBytes: 250, celsius: null },
  ]);
  rmSync(drm, { recursive: true });
});

test("a machine's load is measured", async () => {
  const inventory: Inventory = {
    hostname: "h",
    os: "linux",
    arch: "x64",
    cpuModel: "",
    physicalCores: 1,
    logicalCores: 1,
    memoryBytes: 10,
    freeMemoryBytes: 5,
    gpus: [{ vendor: "apple", name: "M4", memoryBytes: null, driver: "Metal" }],
  };
  const load = await new LoadMeter(inventory).read(never);
  expect(load.cpu).toBeGreaterThanOrEqual(0);
  expect(load.cpu).toBeLessThanOrEqual(1);
  expect(load.freeMemoryBytes).toBeGreaterThan(0);
  expect(load.gpus).toEqual([{ name: "M4", busy: null, memoryBytes: null, usedMemoryBytes: null, celsius: null }]);
});
