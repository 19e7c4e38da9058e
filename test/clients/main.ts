import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startScriptedEngine } from "../support/scripted-engine.ts";
import { startFlock } from "../support/start-flock.ts";
import { claudeCode, claudeCodeNamed } from "./each/claude-code.ts";
import { cline } from "./each/cline.ts";
import { codex } from "./each/codex.ts";
import { continueChat, continueMessages } from "./each/continue.ts";
import { openCodeChat, openCodeMessages } from "./each/opencode.ts";
import { qwenCodeChat, qwenCodeMessages } from "./each/qwen-code.ts";
import { readingScript } from "./reading-engine.ts";
import type { RealClient } from "./real-client.ts";
import { runClient, SECRET_WORD } from "./run-client.ts";
import versions from "./versions.json";

/**
 * `npm run test:clients [-- part of a name]`: each real client through one tool call and its result. With `--write` the
 * results go into `docs/clients.md`; with `--leak` the model writes its call as text.
 */
const CLIENTS: readonly RealClient[] = [
  claudeCode,
  claudeCodeNamed,
  codex,
  openCodeChat,
  openCodeMessages,
  qwenCodeChat,
  qwenCodeMessages,
  cline,
  continueChat,
  continueMessages,
];

interface Outcome {
  readonly client: RealClient;
  readonly problems: readonly string[];
  readonly requests: number;
  readonly seconds: number;
}

const PAGE = join(import.meta.dir, "../../docs/clients.md");
const MARK = "<!-- results -->";
const MODEL = "qwen3-coder";
const PROMPTED_FILE = /\/[^\s"\\]*\/notes\.txt/;
const words = process.argv.slice(2);
const wanted = words.filter((word) => !word.startsWith("--")).map((word) => word.toLowerCase());
const chosen = CLIENTS.filter(({ name }) => wanted.every((word) => name.toLowerCase().includes(word)));

const leaks = words.includes("--leak");
// With marks of its own in the template, Flock knows a call where it sees one.
const template = leaks ? { template: "<tool_call>" } : {};
const engine = await startScriptedEngine({ model: MODEL, contextTokens: 131_072, ...template });
const flock = await startFlock({ env: { FLOCK_ENGINE: "llamacpp", FLOCK_LLAMACPP_ENDPOINT: engine.url } });
const service = { url: flock.url, key: flock.adminKey, model: MODEL };

const outcomes: Outcome[] = [];
for (const client of chosen) outcomes.push(await check(client));
await flock.stop();
await engine.stop();

if (words.includes("--write")) writeResults(outcomes);
const failed = outcomes.filter(({ problems }) => problems.length > 0).length;
console.log(`\n${outcomes.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

function versionOf(client: RealClient): string {
  return versions[client.package as keyof typeof versions];
}

function writeResults(all: readonly Outcome[]): void {
  const rows = all.map(({ client, problems, requests }) => {
    const result = problems.length === 0 ? "passes" : problems.join("; ");
    return `| ${client.name} | \`${client.package}\` ${versionOf(client)} | \`${client.api}\` | ${requests} | ${result} |`;
  });
  const head = ["| client | package | API | requests | result |", "|---|---|---|---|---|"];
  const page = readFileSync(PAGE, "utf8");
  const [before, , after] = page.split(MARK);
  writeFileSync(PAGE, [before, `\n${[...head, ...rows].join("\n")}\n`, after].join(MARK));
}

async function check(client: RealClient): Promise<Outcome> {
  const before = engine.requests.length;
  engine.script = readingScript(PROMPTED_FILE, /secret word is \w+/, leaks);
  const { code, output, seconds } = await runClient(client, service);
  const asked = engine.requests.slice(before);
  const problems: string[] = [];
  if (code !== 0) problems.push(code === null ? "it did not end in time" : `it ended with ${code}`);
  if (!output.includes(SECRET_WORD)) problems.push("its output has not the answer");
  if (!asked.some(({ body }) => JSON.stringify(body).includes(`secret word is ${SECRET_WORD}`))) {
    problems.push("the tool's result never came");
  }
  const mark = problems.length === 0 ? "✔" : "✗";
  console.log(
    `${mark} ${client.name} ${versionOf(client)}, ${client.api}: ${asked.length} requests, ${seconds.toFixed(1)} s`,
  );
  if (problems.length > 0) console.log(`  ${problems.join("; ")}\n${output.slice(-3000).replaceAll(/^/gm, "  | ")}`);
  return { client, problems, requests: asked.length, seconds };
}
