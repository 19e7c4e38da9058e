import { expect, test } from "bun:test";
import { readCgroupLimits } from "../engine/embedded/cgroup.ts";
import { parseMemAvailable, parseVmStat } from "../engine/embedded/free-memory.ts";
import { countPhysicalCores, defaultThreads, readInventory } from "./inventory.ts";

test("physical cores are the different pairs of socket and core", () => {
  const cpu = (socket: number, core: number) => `processor\t: 0\nphysical id\t: ${socket}\ncore id\t\t: ${core}\n`;
  const twoSocketsHyperthreaded = [cpu(0, 0), cpu(0, 1), cpu(1, 0), cpu(1, 1), cpu(0, 0), cpu(1, 1)].join("\n");
  expect(countPhysicalCores(twoSocketsHyperthreaded)).toBe(4);
  expect(countPhysicalCores("processor\t: 0\nBogoMIPS\t: 108.00\n")).toBeNull();
});

test("threads leave one core free, and never go beyond what the process may use", () => {
  expect(defaultThreads(8, null, 16)).toBe(7);
  expect(defaultThreads(1, null, 1)).toBe(1);
  expect(defaultThreads(64, 4, 128)).toBe(3);
  expect(defaultThreads(64, 0.5, 128)).toBe(1);
  expect(defaultThreads(64, null, 2)).toBe(1);
});

test("available memory comes from meminfo, and on macOS from vm_stat without the pages in use", () => {
  expect(parseMemAvailable("MemTotal:       24682416 kB\nMemAvailable:   24357440 kB\n")).toBe(24_357_440 * 1024);
  expect(parseMemAvailable("")).toBeNull();
  const vmStat = `Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               10000.
Pages active:                            400000.
Pages inactive:                           20000.
Pages speculative:                         3000.
Pages wired down:                        150000.
Pages purgeable:                            500.
`;
  expect(parseVmStat(vmStat)).toBe(33_500 * 16_384);
  expect(parseVmStat("command not found")).toBeNull();
});

function limitsOf(files: Record<string, string>) {
  return readCgroupLimits((path) => files[path] ?? null);
}

test("of the cgroup's own limit and those above it the tightest counts", () => {
  const limits = limitsOf({
    "/proc/self/cgroup": "0::/user.slice/flock.service\n",
    "/sys/fs/cgroup/user.slice/flock.service/memory.max": "max\n",
    "/sys/fs/cgroup/user.slice/flock.service/cpu.max": "max 100000\n",
    "/sys/fs/cgroup/user.slice/memory.max": "4000\n",
    "/sys/fs/cgroup/user.slice/memory.current": "3000\n",
    "/sys/fs/cgroup/user.slice/memory.stat": "anon 100\ninactive_file 1200\n",
    "/sys/fs/cgroup/user.slice/cpu.max": "150000 100000\n",
  });
  // What the kernel can take back at once (inactive files) is not in use.
  expect(limits).toEqual({ memoryBytes: 4000, usedBytes: 1800, cpus: 1.5 });
});

test("the older cgroup interface is read, in a container too where the path is the host's", () => {
  const limits = limitsOf({
    "/proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "8000\n",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": "1000\n",
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
  });
  expect(limits).toEqual({ memoryBytes: 8000, usedBytes: 1000, cpus: 2 });
});

test("no limit reads as none", () => {
  const none = { memoryBytes: null, usedBytes: null, cpus: null };
  expect(limitsOf({})).toEqual(none);
  const v1 = {
    "/proc/self/cgroup": "4:memory:/\n2:cpu:/\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
  };
  expect(
    limitsOf({ ...v1, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000" }),
  ).toEqual(none);
});

test("this machine's inventory is plausible", async () => {
  const inventory = await readInventory(AbortSignal.timeout(10_000));
  expect(inventory.os).toBe(process.platform);
  expect(inventory.physicalCores).toBeGreaterThanOrEqual(1);
  expect(inventory.logicalCores).toBeGreaterThanOrEqual(inventory.physicalCores);
  expect(inventory.memoryBytes).toBeGreaterThan(100_000_000);
  expect(inventory.freeMemoryBytes).toBeGreaterThan(0);
  expect(inventory.freeMemoryBytes).toBeLessThanOrEqual(inventory.memoryBytes);
});
