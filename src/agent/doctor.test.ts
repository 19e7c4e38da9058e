import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diagnose, type DoctorFacts, type Finding } from "./doctor.ts";
import { doctorFacts } from "./doctor-facts.ts";

const HEALTHY: DoctorFacts = {
  inventory: {
    hostname: "box",
    os: "linux",
    arch: "x64",
    cpuModel: "Some CPU",
    physicalCores: 8,
    logicalCores: 16,
    memoryBytes: 64e9,
    freeMemoryBytes: 50e9,
    gpus: [{ vendor: "nvidia", name: "NVIDIA GeForce RTX 4090", memoryBytes: 24e9, driver: "570" }],
  },
  gpu: {
    ok: true,
    value: {
      chosen: "cuda",
      reason: "finds NVIDIA GeForce RTX 4090",
      candidates: [{ build: "cuda", installed: true, usable: true, why: "finds NVIDIA GeForce RTX 4090" }],
    },
  },
  gpuCommand: "npm run engine:gpu",
  model: { modelId: "qwen3-8b", path: "/models/qwen3-8b.gguf", bundled: false, problem: null },
  modelBytes: 5e9,
  modelsDir: "/models",
  diskFreeBytes: 100e9,
  dataDir: "/data",
  engines: { preferred: "auto", lookedFor: [], unlooked: null },
  dataDirState: "writable",
};

function found(check: Finding["check"], facts: Partial<DoctorFacts>): Finding | undefined {
  return diagnose({ ...HEALTHY, ...facts }).find((finding) => finding.check === check);
}

test("a machine in order has nothing to mend, and every check says what it saw", () => {
  const findings = diagnose(HEALTHY);
  expect(findings.filter(({ ok, mend }) => !ok || mend !== null)).toEqual([]);
  expect(findings.map(({ check }) => check)).toEqual([
    "machine",
    "data directory",
    "disk",
    "memory",
    "engine",
    "gpu",
    "model",
  ]);
  expect(findings[5]?.message).toBe("NVIDIA GeForce RTX 4090 with 24.0 GB: used by way of CUDA");
});

test("a GPU that is not used comes with the command, and one that does not work with the reason", () => {
  const cpu = { build: "cpu", installed: true, usable: true, why: "the CPU build works" } as const;
  const missing = { build: "cuda", installed: false, usable: false, why: "not installed" } as const;
  const broken = { build: "cuda", installed: true, usable: false, why: "is installed and finds no device" } as const;
  const described = (first: typeof missing | typeof broken): DoctorFacts["gpu"] => ({
    ok: true,
    value: { chosen: "cpu", reason: "the CPU build works", candidates: [first, cpu] },
  });
  expect(found("gpu", { gpu: described(missing) })).toMatchObject({ ok: false, mend: "npm run engine:gpu" });
  expect(found("gpu", { gpu: described(broken) })).toMatchObject({
    ok: false,
    message: expect.stringContaining("the CUDA build is installed and finds no device"),
  });
  const without = { ...HEALTHY.inventory, gpus: [] };
  expect(found("gpu", { gpu: described(missing), inventory: without })).toMatchObject({ ok: true, mend: null });
});

const problems: [Finding["check"], Partial<DoctorFacts>, string][] = [
  ["engine", { gpu: { ok: false, error: "cannot find module" } }, "cannot find module"],
  ["machine", { inventory: { ...HEALTHY.inventory, os: "win32" } }, "win32"],
  ["memory", { inventory: { ...HEALTHY.inventory, freeMemoryBytes: 1e9 } }, "1.0 GB of 64.0 GB"],
  ["memory", { modelBytes: 90e9 }, "the model's file alone has 90.0 GB"],
  ["disk", { diskFreeBytes: 1e9 }, "1.0 GB are free"],
  ["data directory", { dataDirState: "not writable" }, "cannot be written"],
  ["data directory", { dataDirState: "open to others" }, "can be read by others"],
  ["model", { modelBytes: null }, "is not there"],
  ["model", { model: { ...HEALTHY.model, bundled: true, modelId: "flock-tiny" } }, "smoke-test model"],
  ["model", { model: { ...HEALTHY.model, problem: "the default model x cannot be served" } }, "cannot be served"],
];
for (const [check, facts, message] of problems) {
  test(`what is wrong is said with what mends it: ${check}, ${message}`, () => {
    const finding = found(check, facts);
    expect(finding?.ok).toBe(false);
    expect(finding?.message).toContain(message);
    expect(finding?.mend).not.toBeNull();
  });
}

const ABILITIES = { rerank: false, tools: true, images: false, audio: false, thinking: false };
const QWEN = {
  model: "qwen3:8b",
  engineModel: "qwen3:8b",
  contextTokens: 8192,
  slots: 1,
  abilities: { ...ABILITIES, chat: true, embeddings: false },
  smokeTest: false,
};
const OLLAMA = { kind: "ollama", endpoint: "http://h:1", start: "ollama serve", pull: "ollama pull llama3.2" } as const;
const TINY = { ...HEALTHY.model, bundled: true, modelId: "flock-tiny" };

function engineLines(facts: Partial<DoctorFacts["engines"]>): Finding[] {
  const engines = { preferred: "auto", lookedFor: [], unlooked: null, ...facts } as const;
  return diagnose({ ...HEALTHY, engines, model: TINY }).filter(({ check }) => check === "engine" || check === "model");
}

test("an engine that runs is told with its models, and the smoke-test model is no matter then", () => {
  const answer = { ok: true, value: { version: "0.33.0", gpu: null, models: [QWEN] } } as const;
  expect(engineLines({ lookedFor: [{ ...OLLAMA, answer }] })).toMatchObject([
    { ok: true, message: expect.stringContaining("the embedded engine works") },
    { ok: true, message: "ollama 0.33.0 runs at http://h:1 with qwen3:8b" },
    { ok: true, message: expect.stringContaining("steps back") },
  ]);
});

test("an engine that runs without a model is told with the command that gets one", () => {
  const answer = { ok: true, value: { version: "0.33.0", gpu: null, models: [] } } as const;
  expect(engineLines({ lookedFor: [{ ...OLLAMA, answer }] })[1]).toMatchObject({
    ok: false,
    message: "ollama 0.33.0 runs at http://h:1, but has no model",
    mend: "ollama pull llama3.2",
  });
});

test("an engine that does not run matters only to whoever prefers it", () => {
  const error = {
    kind: "engine_unreachable",
    engine: "ollama",
    endpoint: "http://h:1",
    start: "ollama serve",
  } as const;
  const lookedFor = [{ ...OLLAMA, answer: { ok: false, error } as const }];
  expect(engineLines({ lookedFor })).toHaveLength(2);
  expect(engineLines({ lookedFor, preferred: "ollama" })[1]).toMatchObject({
    ok: false,
    message: "ollama, which engine.preferred names, does not answer at http://h:1",
    mend: "ollama serve",
  });
  expect(engineLines({ unlooked: "engine.mlx_endpoint is Flock's own address" })[1]).toMatchObject({ ok: false });
});

const directory = mkdtempSync(join(tmpdir(), "flock-doctor-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("the facts are this machine's, asked of the real engine", async () => {
  const modelsDir = join(directory, "models", "not", "there");
  const bundledModel = join(directory, "flock-tiny.gguf");
  writeFileSync(bundledModel, "x");
  const nowhere = { url: "", secret: "" };
  const attached = {
    enginePreferred: "auto" as const,
    endpoints: { ollama: nowhere, vllm: nowhere, mlx: nowhere, llamacpp: nowhere },
    ownPorts: [],
    ollama: { contextTokens: 0, slots: 1, keepAlive: "" },
    mlx: { model: "", slots: 1, contextTokens: 0 },
  };
  const options = {
    dataDir: directory,
    modelsDir,
    bundledModel,
    defaultModel: "",
    childEnv: {},
    gpuCommand: "x",
    attached,
  };
  const child = join(import.meta.dir, "../engine/embedded/child.ts");
  const facts = await doctorFacts({ ...options, childCommand: [process.execPath, child] }, AbortSignal.timeout(15_000));
  expect(facts.gpu).toMatchObject({ ok: true });
  expect(facts).toMatchObject({ modelBytes: 1, dataDirState: "writable", model: { bundled: true } });
  expect(facts.diskFreeBytes).toBeGreaterThan(0);
  chmodSync(directory, 0o755);
  const broken = await doctorFacts({ ...options, childCommand: ["/nowhere/bun"] }, AbortSignal.timeout(15_000));
  expect(broken).toMatchObject({ gpu: { ok: false }, dataDirState: "open to others" });
}, 20_000);
