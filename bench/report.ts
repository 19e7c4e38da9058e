import type { Baseline, Figures } from "./measure.ts";
import { MANY_STREAMS, STEADY_PER_SECOND, STREAMS } from "./scenarios.ts";

export interface Measured {
  readonly name: string;
  readonly figures: Figures;
}

const MEGABYTE = 1_000_000;

interface Row {
  readonly label: string;
  readonly value: (figures: Figures, baseline: Baseline) => number;
  readonly digits: number;
}

const ROWS: readonly Row[] = [
  { label: "requests/s, 32 connections", value: (f) => f.requestsPerSecond, digits: 0 },
  { label: "CPU per request, µs", value: (f) => f.cpuMicrosPerRequest, digits: 1 },
  { label: `latency p50 at ${STEADY_PER_SECOND}/s, ms`, value: (f) => f.steadyP50Ms, digits: 2 },
  { label: `latency p99 at ${STEADY_PER_SECOND}/s, ms`, value: (f) => f.steadyP99Ms, digits: 2 },
  { label: `CPU per relayed chunk, ${STREAMS} streams, µs`, value: (f) => f.cpuMicrosPerChunk, digits: 2 },
  { label: "added time to first token p50, ms", value: (f, b) => f.firstTokenP50Ms - b.firstToken.p50, digits: 2 },
  { label: "added time to first token p99, ms", value: (f, b) => f.firstTokenP99Ms - b.firstToken.p99, digits: 2 },
  { label: "RSS idle, MB", value: (f) => f.idleBytes / MEGABYTE, digits: 0 },
  { label: `RSS at ${MANY_STREAMS} streams, MB`, value: (f) => f.streamsBytes / MEGABYTE, digits: 0 },
  { label: "answers lost", value: (f) => f.lost, digits: 0 },
];

/** One column a subject, medians of the rounds. */
export function figuresTable(measured: readonly Measured[], baseline: Baseline): string {
  const rows = ROWS.map(({ label, value, digits }) => [
    label,
    ...measured.map(({ figures }) => value(figures, baseline).toFixed(digits)),
  ]);
  return table(["", ...measured.map(({ name }) => name)], rows);
}

/** How often the first subject's cost is that of each other. */
export function ratiosTable(measured: readonly Measured[]): string {
  const [first, ...others] = measured;
  if (!first || others.length === 0) return "";
  const rows = others.map(({ name, figures }) => [
    `${first.name} / ${name}`,
    (first.figures.cpuMicrosPerRequest / figures.cpuMicrosPerRequest).toFixed(2),
    (first.figures.cpuMicrosPerChunk / figures.cpuMicrosPerChunk).toFixed(2),
    (first.figures.requestsPerSecond / figures.requestsPerSecond).toFixed(2),
    (first.figures.streamsBytes / figures.streamsBytes).toFixed(2),
  ]);
  return table(["ratio", "CPU/request", "CPU/chunk", "requests/s", "RSS at streams"], rows);
}

export interface Target {
  readonly label: string;
  readonly value: number;
  readonly limit: number;
}

/** What Flock promises, as far as the subjects for it were measured. */
export function targets(measured: readonly Measured[], baseline: Baseline): Target[] {
  const figures = (name: string): Figures | undefined => measured.find((one) => one.name === name)?.figures;
  const flock = figures("flock");
  if (!flock) return [];
  const out: Target[] = [];
  const nginx = figures("nginx");
  if (nginx) {
    const request = flock.cpuMicrosPerRequest / nginx.cpuMicrosPerRequest;
    const chunk = flock.cpuMicrosPerChunk / nginx.cpuMicrosPerChunk;
    out.push({ label: "CPU per request, times nginx", value: request, limit: 2.5 });
    out.push({ label: "CPU per chunk, times nginx", value: chunk, limit: 1.5 });
  }
  const portkey = figures("portkey");
  if (portkey) {
    const value = flock.cpuMicrosPerRequest / portkey.cpuMicrosPerRequest;
    out.push({ label: "CPU per request, times Portkey", value, limit: 0.2 });
  }
  const added = flock.firstTokenP99Ms - baseline.firstToken.p99;
  out.push({ label: `added time to first token p99 at ${STREAMS} streams, ms`, value: added, limit: 1 });
  out.push({ label: `RSS at ${MANY_STREAMS} streams, MB`, value: flock.streamsBytes / MEGABYTE, limit: 150 });
  out.push({ label: "answers lost", value: flock.lost, limit: 0 });
  return out;
}

export function targetsTable(all: readonly Target[]): string {
  const rows = all.map(({ label, value, limit }) => [
    label,
    value.toFixed(2),
    `≤ ${limit}`,
    value <= limit ? "met" : "MISSED",
  ]);
  return table(["target", "measured", "limit", ""], rows);
}

/** A Markdown table that reads well in a terminal too. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => (row[at] ?? "").length), 3));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(" | ")} |`;
  const rule = `|${widths.map((width, at) => (at === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}
