import type { LoadDriver } from "./driver-client.ts";
import type { LoadResult } from "./load-plan.ts";
import type { BenchOptions } from "./options.ts";
import { cpuMs } from "./process-cost.ts";
import { PACED_CHUNKS, pacedStreams, pacedStreamsIn } from "./scenarios.ts";
import { median } from "./statistics.ts";
import { FORMS, type FormName } from "./stream-forms.ts";
import { CHAT_PATH, type Subject } from "./subject.ts";

const STREAMS_MS = 3000;
const SETTLE_MS = 3000;
const ROUNDS = 4;
/** The first is passed through, the others are translated. */
const NAMES: readonly FormName[] = ["chat", "messages", "responses", "ollama"];

/** One API in one round. */
export interface FormFigures {
  /** For each chunk of the engine's, however many frames the client gets for it. */
  readonly cpuMicrosPerChunk: number;
  readonly addedFirstTokenP50Ms: number;
  readonly addedFirstTokenP99Ms: number;
  readonly lost: number;
}

export type TranslatedRound = Readonly<Record<FormName, FormFigures>>;

/** The paced streams in each API in turn, from one Flock with one engine. */
export async function measureTranslated(
  driver: LoadDriver,
  enginePort: number,
  subject: Subject,
  options: Pick<BenchOptions, "quick" | "rounds">,
): Promise<TranslatedRound[]> {
  const none = { name: "direct", path: CHAT_PATH, headers: {}, pids: [], besidePids: [], stop: async () => undefined };
  const direct: Subject = { ...none, port: enginePort };
  for (const form of NAMES) await driver.run(pacedStreamsIn(form, subject, SETTLE_MS));
  const rounds: TranslatedRound[] = [];
  for (let round = options.rounds ?? (options.quick ? 1 : ROUNDS); round > 0; round -= 1) {
    const alone = await driver.run(pacedStreams(direct, STREAMS_MS / 2));
    const figures: Partial<Record<FormName, FormFigures>> = {};
    for (const form of NAMES) {
      console.error(`▶ ${round} to go: ${FORMS[form].path}`);
      const before = cpuMs(subject.pids);
      const result = await driver.run(pacedStreamsIn(form, subject, STREAMS_MS));
      figures[form] = toFigures(result, cpuMs(subject.pids) - before, alone);
      if (result.lost > 0) console.error(`  lost: ${JSON.stringify(result.problems)}`);
    }
    rounds.push(figures as TranslatedRound);
  }
  return rounds;
}

function toFigures(result: LoadResult, spentMs: number, alone: LoadResult): FormFigures {
  const added = (key: "p50" | "p99"): number =>
    (result.firstTokenMs?.[key] ?? Number.NaN) - (alone.firstTokenMs?.[key] ?? Number.NaN);
  return {
    cpuMicrosPerChunk: (spentMs * 1000) / (result.whole * PACED_CHUNKS),
    addedFirstTokenP50Ms: added("p50"),
    addedFirstTokenP99Ms: added("p99"),
    lost: result.lost,
  };
}

/** Medians; a ratio is taken within its round, so that what else the machine does falls on both sides. */
export function translatedTable(rounds: readonly TranslatedRound[]): string {
  const rows = NAMES.map((form) => {
    const of = (key: keyof FormFigures): number => median(rounds.map((round) => round[form][key]));
    const ratio = median(rounds.map((round) => round[form].cpuMicrosPerChunk / round.chat.cpuMicrosPerChunk));
    const lost = rounds.reduce((sum, round) => sum + round[form].lost, 0);
    const cells = [
      of("cpuMicrosPerChunk").toFixed(1),
      ratio.toFixed(2),
      of("addedFirstTokenP50Ms").toFixed(2),
      of("addedFirstTokenP99Ms").toFixed(2),
      String(lost),
    ];
    return `| ${FORMS[form].path} | ${cells.join(" | ")} |`;
  });
  return [
    "| streams in | CPU per engine chunk, µs | times passthrough | added first token p50, ms | p99, ms | lost |",
    "|---|--:|--:|--:|--:|--:|",
    ...rows,
  ].join("\n");
}
