import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ollamaFlavor } from "../../test/support/stand-in/ollama-flavor.ts";
import { reply } from "../../test/support/stand-in/flavor.ts";
import { llamaCppFlavor, vllmFlavor } from "../../test/support/stand-in/flavors.ts";
import { startStandIn } from "../../test/support/stand-in/start-stand-in.ts";
import { systemClock } from "../core/clock.ts";
import type { EngineKind } from "../core/replica.ts";
import { AdapterBook } from "./adapters.ts";
import { type AttachedOptions, attachedManagers } from "./attached-managers.ts";
import { candidatesOf, isOwn, unlookedFor } from "./engine-candidates.ts";
import { EngineFinder } from "./engine-finder.ts";
import type { EngineSource } from "./engine-source.ts";
import { until } from "./fixtures/until.ts";

const stop = new AbortController();
const folder = mkdtempSync(join(tmpdir(), "flock-finder-"));
const sources: EngineSource[] = [];
afterAll(async () => {
  stop.abort();
  await Promise.all(sources.map((source) => source.release()));
  rmSync(folder, { recursive: true });
});

const NOWHERE = { url: "", secret: "" };
const at = (url: string) => ({ url, secret: "" });

function optionsOf(endpoints: Partial<AttachedOptions["endpoints"]>, ownPorts: number[] = []): AttachedOptions {
  return {
    enginePreferred: "auto",
    endpoints: { ollama: NOWHERE, vllm: NOWHERE, mlx: NOWHERE, llamacpp: NOWHERE, ...endpoints },
    ownPorts,
    ollama: { contextTokens: 0, slots: 1, keepAlive: "" },
    mlx: { model: "", slots: 1, contextTokens: 1024 },
  };
}

interface Found {
  readonly finder: EngineFinder;
  readonly found: EngineSource[];
  readonly changes: () => number;
}

function finderOf(options: AttachedOptions, preferred: EngineKind | null = null): Found {
  const found: EngineSource[] = [];
  let changes = 0;
  const finder = new EngineFinder({
    node: "local",
    candidates: candidatesOf(options, attachedManagers(options)),
    preferred,
    sources: found,
    clock: systemClock,
    times: { probeEveryMs: 20, probeTimeoutMs: 2_000 },
    onChange: () => (changes += 1),
    book: new AdapterBook(folder),
  });
  return { finder, found, changes: () => changes };
}

function keep(found: readonly EngineSource[]): void {
  for (const source of found) if (!sources.includes(source)) sources.push(source);
}

test("engines are found by what they answer, each at its endpoint, and say so", async () => {
  const [ollama, vllm] = [await startStandIn(ollamaFlavor), await startStandIn(vllmFlavor)];
  // A llama-server stands where MLX-LM is looked for: the port alone says nothing.
  const stranger = await startStandIn(llamaCppFlavor);
  const options = optionsOf({ ollama: at(ollama.url), vllm: at(vllm.url), mlx: at(stranger.url) });
  const { finder, found } = finderOf(options);
  expect([...(await finder.lookOnce(stop.signal))].sort()).toEqual(["ollama", "vllm"]);
  keep(found);
  expect(found.map((source) => source.status()).sort((a, b) => (a.id < b.id ? -1 : 1))).toMatchObject([
    { id: "ollama", state: "ready", managed: false, note: "ollama 0.33.0, found running", models: ["some-model"] },
    { id: "vllm", state: "ready", note: "vllm 0.32.0, found running", models: ["some-model", "sql-lora"] },
  ]);
  const adapter = found.flatMap((source) => source.replicas()).find(({ model }) => model === "sql-lora");
  expect(adapter).toMatchObject({ parent: "some-model", contextTokens: 1024, load: { running: 3, waiting: 2 } });
  await Promise.all([ollama.stop(), vllm.stop(), stranger.stop()]);
});

test("an engine that starts later is found later, and one that is preferred is shown before it runs", async () => {
  const early = await startStandIn(ollamaFlavor);
  const url = early.url;
  await early.stop();
  const { finder, found } = finderOf(optionsOf({ ollama: at(url), llamacpp: at("http://127.0.0.1:1") }), "llamacpp");
  expect(await finder.lookOnce(stop.signal)).toEqual([]);
  expect(found.map((source) => source.status().id)).toEqual(["llamacpp"]);
  finder.start(stop.signal);
  const late = await startStandIn(ollamaFlavor, Number(new URL(url).port));
  await until("it is found", () => found.length === 2);
  keep(found);
  expect(found[1]?.status()).toMatchObject({ id: "ollama", state: "ready" });
  await late.stop();
});

test("models that come and go are seen, and an engine without any says what gets one", async () => {
  const engine = await startStandIn(ollamaFlavor);
  const tags = (...names: string[]) =>
    reply({ models: names.map((name) => ({ name, digest: `sha256:${name}`, size: 1e9 })) });
  engine.about["/api/tags"] = () => tags();
  const { finder, found, changes } = finderOf(optionsOf({ ollama: at(engine.url) }));
  expect(await finder.lookOnce(stop.signal)).toEqual([]);
  keep(found);
  const [source] = found;
  expect(source?.advice?.()).toBe(`ollama runs at ${engine.url} but has no model: ollama pull llama3.2`);
  const before = changes();
  engine.about["/api/tags"] = () => tags("llama3.2:latest", "gpt-oss:120b-cloud");
  await until("the pulled model is there", () => source?.replicas().length === 1);
  expect(source?.replicas()[0]).toMatchObject({ model: "llama3.2", engineModel: "llama3.2:latest" });
  expect(source?.advice?.()).toBeNull();
  expect(changes()).toBeGreaterThan(before);
  engine.about["/api/tags"] = () => tags();
  await until("the deleted model is gone", () => source?.replicas().length === 0);
  await engine.stop();
  await until("the engine is seen to be gone", () => source?.status().state === "stopped");
  expect(source?.status()).toMatchObject({ start: "ollama serve", problem: `does not answer at ${engine.url}` });
});

test("Flock's own address is never asked, and a preferred engine there is told to move", () => {
  const options = optionsOf({ mlx: at("http://localhost:8080"), vllm: at("http://10.1.2.3:8080") }, [8080]);
  const kinds = candidatesOf(options, attachedManagers(options)).map(({ manager }) => manager.kind);
  expect(kinds).toEqual(["vllm"]);
  expect(unlookedFor("mlx", options)).toContain("is Flock's own address");
  expect(unlookedFor("vllm", options)).toBeNull();
  for (const own of ["http://127.0.0.1:8080", "http://[::1]:8080", "http://0.0.0.0:8080", "http://127.1.2.3:8080/v1"]) {
    expect(isOwn(own, [8080])).toBe(true);
  }
  expect(isOwn("http://127.0.0.1:8081", [8080])).toBe(false);
});
