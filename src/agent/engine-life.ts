import { closeSync } from "node:fs";
import { isSameProcess, signalProcess, startToken } from "../cluster/process-identity.ts";
import type { LaunchSpec } from "../engine/driver.ts";
import { adoptChild, type Child, type Spawn, spawnChild } from "./child-process.ts";
import { askHealth, askStatus, type EngineHealth } from "./engine-health.ts";
import { type EngineRecord, type EngineRecords, hashSpec, readReadyFile } from "./engine-record.ts";
import { freePort } from "./free-port.ts";
import { markStart, openLog } from "./log-file.ts";
import type { SupervisorTimes } from "./supervisor-times.ts";
import { wait } from "../core/wait.ts";

/** One life of an engine: a child from its spawn to its end, possibly spawned by an earlier agent. */
export interface Life {
  readonly child: Child;
  /** As on disk; replaced when the child has said where it listens. */
  record: EngineRecord;
}

/** Throws what the system says when the command cannot be started. */
export function startLife(
  spec: LaunchSpec,
  records: EngineRecords,
  logPath: string,
  nowMs: number,
  epoch: number,
): Life {
  const secret = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
  const port = spec.listens === undefined ? null : freePort(spec.listens.ports);
  const readyFile = records.readyFile(spec.id, epoch);
  const logFd = openLog(logPath);
  let child: Child;
  try {
    markStart(logFd, nowMs);
    const told = port === null ? reportsItself(spec, secret, readyFile) : isTold(spec, secret, port);
    child = spawnChild({ command: spec.command, ...told, cwd: spec.cwd, logFd });
  } finally {
    closeSync(logFd);
  }
  const record: EngineRecord = {
    pid: child.pid,
    processStart: startToken(child.pid),
    port,
    instance: null,
    secret,
    specHash: hashSpec(spec),
    startedAt: nowMs,
    epoch,
    readyFile,
  };
  // Before anything else can happen: without its record the child could never be found again.
  try {
    records.write(spec.id, record);
  } catch (error) {
    signalProcess(-child.pid, "SIGKILL");
    throw error;
  }
  return { child, record };
}

type Told = Pick<Spawn, "args" | "env">;

function reportsItself(spec: LaunchSpec, secret: string, readyFile: string): Told {
  const per = { FLOCK_ENGINE_SECRET: secret, FLOCK_ENGINE_PORT: "0", FLOCK_ENGINE_READY_FILE: readyFile };
  return { args: spec.args, env: { ...spec.env, ...per } };
}

function isTold(spec: LaunchSpec, secret: string, port: number): Told {
  const args = spec.args.map((arg) => arg.replaceAll("{port}", String(port)));
  const env = Object.entries(spec.env).map(([name, value]) => [
    name,
    value.replaceAll("{port}", String(port)).replaceAll("{secret}", secret),
  ]);
  return { args, env: Object.fromEntries(env) };
}

/**
 * Takes over the child of an earlier agent when it is alive, answers as itself and was started the same way. One that
 * is ours but does not fit is ended first. Null: there is none, start anew.
 */
export async function adoptLife(
  spec: LaunchSpec,
  records: EngineRecords,
  times: SupervisorTimes,
  signal: AbortSignal,
): Promise<Life | null> {
  const record = records.read(spec.id);
  if (record === null) return null;
  const { pid, processStart } = record;
  if (processStart === null || !isSameProcess(pid, processStart)) return null;
  const child = adoptChild(pid, processStart, times.adoptedPollMs);
  const life: Life = { child, record };
  if (record.specHash === hashSpec(spec)) {
    // Not yet listening: it is waited for like any child that starts.
    if (record.port === null || (await answersAsItself(spec, record, times, signal))) return life;
    if (signal.aborted) return life;
  }
  await child.terminate(times.stopGraceMs);
  return null;
}

/** Null when it is ready; else why not. Never ends before one of the two, unless the signal fires. */
export async function untilReady(
  life: Life,
  spec: LaunchSpec,
  records: EngineRecords,
  times: SupervisorTimes,
  signal: AbortSignal,
): Promise<string | null> {
  const deadline = performance.now() + spec.readyTimeoutMs;
  while (!signal.aborted) {
    if (life.record.port === null) {
      const report = readReadyFile(life.record.readyFile);
      if (report !== null) {
        life.record = { ...life.record, port: report.port, instance: report.instance };
        remember(spec, life.record, records);
      }
    }
    if (life.record.port !== null) {
      if (await isHealthy(spec, life.record, times.healthTimeoutMs, signal)) return null;
    }
    if (performance.now() >= deadline) return `was not ready within ${Math.round(spec.readyTimeoutMs / 1_000)} s`;
    await wait(times.readyPollMs, signal);
  }
  return "interrupted";
}

export function endpointOf(record: EngineRecord): string {
  return record.port === null ? "" : `http://127.0.0.1:${record.port}`;
}

/** A full disk must not cost a working engine: the ready file stays and says the same to a later agent. */
function remember(spec: LaunchSpec, record: EngineRecord, records: EngineRecords): void {
  try {
    records.write(spec.id, record);
  } catch {
    return;
  }
}

/** It answers as itself, and requests may come. */
export async function isHealthy(
  spec: LaunchSpec,
  record: EngineRecord,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const health = await healthOf(spec, record, timeoutMs, signal);
  return health?.status === "ok" && health.instance === record.instance;
}

function healthOf(
  { listens }: LaunchSpec,
  record: EngineRecord,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<EngineHealth | null> {
  const endpoint = endpointOf(record);
  if (listens === undefined) return askHealth(endpoint, timeoutMs, signal);
  return askStatus(endpoint + listens.healthPath, timeoutMs, signal);
}

async function answersAsItself(
  spec: LaunchSpec,
  record: EngineRecord,
  times: SupervisorTimes,
  signal: AbortSignal,
): Promise<boolean> {
  for (let attempt = 0; attempt < times.healthFailures && !signal.aborted; attempt++) {
    const health = await healthOf(spec, record, times.healthTimeoutMs, signal);
    if (health !== null) return health.instance === record.instance;
    await wait(times.adoptedPollMs, signal);
  }
  return false;
}
