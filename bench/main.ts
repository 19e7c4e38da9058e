import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { checkOutRef } from "./checkout-ref.ts";
import { type EngineProcess, type LoadDriver, startEngineProcess, startLoadDriver } from "./driver-client.ts";
import { type Baseline, type Figures, measureBaseline, measureRound, settle, medianFigures } from "./measure.ts";
import { type BenchOptions, HELP, parseOptions } from "./options.ts";
import { residentBytes } from "./process-cost.ts";
import { figuresTable, ratiosTable, targets, targetsTable } from "./report.ts";
import { recoveryBench } from "./cluster-recovery.ts";
import { scaleBench } from "./cluster-scale.ts";
import { limitsBench } from "./limits.ts";
import { routingBench } from "./routing/main.ts";
import { type Durations, FULL, MODELS, QUICK } from "./scenarios.ts";
import { soak } from "./soak.ts";
import { measureStart } from "./start-time.ts";
import { median } from "./statistics.ts";
import { CHAT_PATH, type Subject, type SubjectKind } from "./subject.ts";
import { bifrost } from "./subjects/bifrost.ts";
import { flock } from "./subjects/flock.ts";
import { flockCluster } from "./subjects/flock-cluster.ts";
import { litellm } from "./subjects/litellm.ts";
import { nginx } from "./subjects/nginx.ts";
import { portkey } from "./subjects/portkey.ts";
import { measureTranslated, translatedTable } from "./translated.ts";

const ROOT = join(import.meta.dir, "..");
const START_LIMIT = 8;
const COMMAND_LIMIT = 6;

/** The subject has the first core for itself, where there are two; load and engine share the second. */
function pinTo(core: number): (command: readonly string[]) => string[] {
  const can = cpus().length > 1 && Bun.which("taskset") !== null;
  return (command) => (can ? ["taskset", "-c", String(core), ...command] : [...command]);
}

interface Bench {
  readonly options: BenchOptions;
  readonly driver: LoadDriver;
  readonly engine: EngineProcess;
  readonly dir: string;
}

function kindsFor(options: BenchOptions, dir: string): SubjectKind[] {
  const bunArguments =
    options.profile === null ? [] : ["--cpu-prof", "--cpu-prof-md", `--cpu-prof-dir=${resolve(options.profile)}`];
  const own = flock({ name: "flock", root: ROOT, quota: true, bunArguments });
  if (options.links) return [own, flockCluster("lan"), flockCluster("tunnel")];
  if (options.against !== null) {
    const root = join(dir, "other");
    checkOutRef(ROOT, options.against, root);
    return [own, flock({ name: options.against, root, quota: true })];
  }
  const noQuota = flock({ name: "flock-no-quota", root: ROOT, quota: false, bunArguments });
  const all = [own, noQuota, nginx, portkey, litellm, bifrost];
  const unknown = options.only?.find((name) => !all.some((kind) => kind.name === name));
  if (unknown !== undefined)
    throw new Error(`no subject ${unknown}; there are ${all.map((kind) => kind.name).join(", ")}`);
  // Without a quota is for whoever looks for what the quota costs.
  return all.filter((kind) => (options.only === null ? kind !== noQuota : options.only.includes(kind.name)));
}

async function startSubjects(bench: Bench, kinds: readonly SubjectKind[]): Promise<Subject[]> {
  const subjects: Subject[] = [];
  for (const [at, kind] of kinds.entries()) {
    const missing = kind.missing();
    if (missing !== null) {
      console.error(`▶ ${kind.name} is left out: ${missing}`);
      continue;
    }
    const dir = join(bench.dir, `subject-${at}`);
    mkdirSync(dir);
    subjects.push(await kind.start({ enginePort: bench.engine.port, models: MODELS, dir, pin: pinTo(0) }));
  }
  return subjects;
}

async function compare(bench: Bench): Promise<void> {
  const durations = bench.options.quick ? QUICK : FULL;
  const roundCount = bench.options.rounds ?? durations.rounds;
  const subjects = await startSubjects(bench, kindsFor(bench.options, bench.dir));
  try {
    await Bun.sleep(2000);
    const idle = subjects.map((subject) => residentBytes(subject.pids));
    const beside = subjects.map((subject) => residentBytes(subject.besidePids));
    const baselines: Baseline[] = [];
    const rounds = subjects.map((): Figures[] => []);
    const broken = await allRounds(bench, durations, roundCount, subjects, idle, baselines, rounds);
    if (rounds.some((figures) => figures.length === 0)) throw broken;
    const baseline = medianBaseline(baselines);
    const measured = subjects.map(({ name }, at) => ({ name, figures: medianFigures(rounds[at] ?? []) }));
    console.log(
      `\nMedian of ${rounds.at(-1)?.length} rounds; the engine alone: latency p50 ${baseline.steady.p50.toFixed(2)} ms, p99`,
    );
    console.log(`${baseline.steady.p99.toFixed(2)} ms, first token p50 ${baseline.firstToken.p50.toFixed(2)} ms, p99`);
    console.log(`${baseline.firstToken.p99.toFixed(2)} ms.\n`);
    console.log(figuresTable(measured, baseline));
    console.log(`\n${ratiosTable(measured)}`);
    console.log(`\n${targetsTable(targets(measured, baseline))}`);
    for (const [at, bytes] of beside.entries())
      if (bytes > 0) console.log(`\nBeside ${subjects[at]?.name} runs its agent: ${(bytes / 1e6).toFixed(0)} MB.`);
    if (broken !== null) throw broken;
  } finally {
    await Promise.all(subjects.map((subject) => subject.stop()));
  }
}

/** Null: all went well. Else what broke off, so that the rounds until then are not lost. */
async function allRounds(
  { driver, engine }: Bench,
  durations: Durations,
  count: number,
  subjects: readonly Subject[],
  idle: readonly number[],
  baselines: Baseline[],
  rounds: readonly Figures[][],
): Promise<Error | null> {
  const none = { name: "direct", path: CHAT_PATH, headers: {}, pids: [], besidePids: [] };
  const direct: Subject = { ...none, port: engine.port, stop: async () => undefined };
  try {
    for (const subject of subjects) {
      console.error(`▶ ${subject.name} settles`);
      await settle(driver, subject, durations);
    }
    for (let round = 0; round < count; round += 1) {
      baselines.push(await measureBaseline(driver, direct, durations));
      for (const [at, subject] of subjects.entries()) {
        console.error(`▶ round ${round + 1} of ${count}: ${subject.name}`);
        const { figures, problems } = await measureRound(driver, subject, durations, idle[at] ?? 0);
        rounds[at]?.push(figures);
        if (figures.lost > 0) console.error(`  lost: ${JSON.stringify(problems)}`);
      }
    }
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function medianBaseline(all: readonly Baseline[]): Baseline {
  const of = (part: "steady" | "firstToken", key: "p50" | "p99"): number => median(all.map((one) => one[part][key]));
  return {
    steady: { p50: of("steady", "p50"), p99: of("steady", "p99") },
    firstToken: { p50: of("firstToken", "p50"), p99: of("firstToken", "p99") },
  };
}

async function soakFlock(bench: Bench): Promise<void> {
  const subjects = await startSubjects(bench, kindsFor({ ...bench.options, only: ["flock"] }, bench.dir));
  try {
    for (const subject of subjects) {
      console.log(`${subject.name}: ${bench.options.soak} requests, a tenth of them hung up on`);
      console.log(`${"0".padStart(9)}  ${(residentBytes(subject.pids) / 1e6).toFixed(0)} MB`);
      await soak(bench.driver, subject, bench.options.soak, (step) => {
        const megabytes = (step.residentBytes / 1e6).toFixed(0);
        console.log(
          `${String(step.requests).padStart(9)}  ${megabytes} MB, ${step.aborted} hung up, ${step.lost} lost`,
        );
      });
    }
  } finally {
    await Promise.all(subjects.map((subject) => subject.stop()));
  }
}

async function translated(bench: Bench): Promise<void> {
  const { driver, engine, options } = bench;
  const subjects = await startSubjects(bench, kindsFor({ ...options, only: ["flock"] }, bench.dir));
  try {
    for (const subject of subjects) {
      const rounds = await measureTranslated(driver, engine.port, subject, options);
      console.log(translatedTable(rounds));
    }
  } finally {
    await Promise.all(subjects.map((subject) => subject.stop()));
  }
}

async function start(bench: Bench): Promise<void> {
  const { listeningMs, answerMs, emptyMs, commands } = await measureStart(
    ROOT,
    join(bench.dir, "start"),
    bench.engine.port,
  );
  const line = (what: string, ms: number, limit: number | null): void => {
    const ratio = ms / emptyMs;
    const verdict = limit === null ? "" : `, limit ${limit}: ${ratio <= limit ? "met" : "MISSED"}`;
    console.log(`${what.padEnd(20)} ${ms.toFixed(0).padStart(4)} ms, ${ratio.toFixed(1)} times an empty Bun${verdict}`);
  };
  console.log(`\nFrom spawn on; medians of 15, an empty Bun ${emptyMs.toFixed(1)} ms.`);
  line("start to listening", listeningMs, START_LIMIT);
  line("start to an answer", answerMs, null);
  for (const { command, ms } of commands) line(`flock ${command}`, ms, COMMAND_LIMIT);
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    console.log(HELP);
    return;
  }
  if (options.cluster) {
    await scaleBench(ROOT);
    await recoveryBench();
    return;
  }
  if (options.limits) {
    limitsBench();
    return;
  }
  if (options.routing) {
    await routingBench();
    return;
  }
  if (process.platform !== "linux") throw new Error("the benchmark reads /proc: run it on Linux");
  const dir = mkdtempSync(join(tmpdir(), "flock-bench-"));
  const driver = startLoadDriver(pinTo(1));
  const engine = await startEngineProcess(pinTo(1), MODELS);
  const bench: Bench = { options, driver, engine, dir };
  try {
    if (options.soak > 0) await soakFlock(bench);
    else if (options.start) await start(bench);
    else if (options.translated) await translated(bench);
    else {
      await compare(bench);
      if (options.against === null && (options.only === null || options.only.includes("flock"))) await start(bench);
    }
  } finally {
    await Promise.all([driver.stop(), engine.stop()]);
    rmSync(dir, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  console.error(`✗ ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
