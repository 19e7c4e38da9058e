// `npm test`: installs what is missing, then format, lint, types and all tests. The last line is the count.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, root } from "./ensure-installed.mjs";
import { writeTimings } from "./test-order.mjs";
import { errorsIn, readReport } from "./test-report.mjs";

const bun = await ensureInstalled({ dev: true });
const bin = (name) => join(root, "node_modules", ".bin", name);

/** Both outputs go through one pipe: what stands before what else is kept. */
function run(command, args, { passOn = false, env = process.env } = {}) {
  return new Promise((resolve) => {
    let output = "";
    const shell = ["-c", 'exec "$0" "$@" 2>&1', command, ...args];
    const child = spawn("sh", shell, { cwd: root, stdio: ["ignore", "pipe", "ignore"], env });
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      output += chunk;
      if (passOn) process.stdout.write(chunk);
    });
    child.on("error", (error) => resolve({ code: 1, output: String(error) }));
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

async function check(name, command, args) {
  const started = Date.now();
  const { code, output } = await run(command, args);
  console.log(`${code === 0 ? "✔" : "✗"} ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  if (code !== 0) console.log(output.trimEnd());
  return code === 0;
}

const only = process.argv.slice(2);
const results = [];
if (only.length === 0) {
  results.push(await check("format", bin("oxfmt"), ["--check"]));
  results.push(await check("lint", bin("oxlint"), ["--type-aware", "--deny-warnings"]));
  results.push(await check("types", bin("tsc"), ["--noEmit"]));
}

const reportDir = join(root, ".test-results");
rmSync(reportDir, { recursive: true, force: true });
mkdirSync(reportDir, { recursive: true });
const reportFile = join(reportDir, "junit.xml");
const timingsFile = join(reportDir, "timings.json");
writeTimings(timingsFile, root, ["bench", "scripts", "src", "test"]);
// Two files at a time: many wait for processes to start, and a machine with one core fewer still passes. The time limit of a
// test ends what hangs and promises nothing: what takes 2 s with a core of its own was seen to take 30 beside 14 programs.
const args = [
  "test",
  "--isolate",
  "--parallel=2",
  "--timeout=120000",
  "--timings",
  timingsFile,
  "--reporter=junit",
  "--reporter-outfile",
  reportFile,
  ...only,
];
const env = { ...process.env, BUN_CONFIG_MAX_HTTP_REQUESTS: "65336", NO_COLOR: "1" };
// The machine's own settings must not leak into tests.
for (const name of Object.keys(env))
  if (name.startsWith("FLOCK_") && !name.endsWith("_BIN") && !name.endsWith("_BIN_DIR")) delete env[name];
const { code, output } = await run(bun, args, { passOn: true, env });

let xml = "";
try {
  xml = readFileSync(reportFile, "utf8");
} catch {
  // No report: the runner itself failed, counted below.
}
const report = readReport(xml);
console.log("\nslowest files:");
for (const file of report.files.slice(0, 10)) console.log(`  ${file.seconds.toFixed(1).padStart(6)} s  ${file.name}`);
if (report.skipped > 0) console.log("\nskipped:");
for (const group of report.skippedGroups) console.log(`  - ${group}`);

if (code !== 0) console.log(`\nwhat failed, once more:\n\n${errorsIn(output)}`);

// A file that throws while it loads is missing in the report: the exit code alone tells.
const failedTests = report.failed || (code === 0 ? 0 : 1);
const failedChecks = results.filter((good) => !good).length;
const failed = failedTests + failedChecks;
const passed = report.passed + results.length - failedChecks;
const { skipped } = report;
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed === 0 ? 0 : 1);
