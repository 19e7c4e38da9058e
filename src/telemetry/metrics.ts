import type { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { UsageRecord } from "../core/usage-record.ts";

interface Instruments {
  readonly registry: Registry;
  readonly requests: Counter;
  readonly tokens: Counter;
  readonly latency: Histogram;
  readonly firstToken: Histogram;
  readonly inFlight: Gauge;
  readonly openStreams: Gauge;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const MOST_HELD = 100_000;

/**
 * Counts what the gateway does. prom-client takes 48 ms to import, so it is loaded after the server listens; what
 * happens until then is held and counted when it is there. Labels are bounded: model ids that are served, never what
 * a client typed.
 */
export class Metrics {
  #instruments: Instruments | null = null;
  #held: { record: UsageRecord; status: number }[] = [];
  #inFlight = 0;
  #openStreams = 0;

  get inFlight(): number {
    return this.#inFlight;
  }

  get openStreams(): number {
    return this.#openStreams;
  }

  requestStarted(): void {
    this.#inFlight += 1;
  }

  requestEnded(record: UsageRecord, status: number): void {
    this.#inFlight -= 1;
    if (this.#instruments) observe(this.#instruments, record, status);
    else if (this.#held.length < MOST_HELD) this.#held.push({ record, status });
  }

  streamOpened(): void {
    this.#openStreams += 1;
  }

  streamClosed(): void {
    this.#openStreams -= 1;
  }

  async load(): Promise<void> {
    if (this.#instruments) return;
    const prom = await import("prom-client");
    const registry = new prom.Registry();
    const registers = [registry];
    this.#instruments = {
      registry,
      requests: new prom.Counter({
        name: "flock_requests_total",
        help: "Requests answered, refused ones included.",
        labelNames: ["model", "protocol", "outcome", "error", "status"],
        registers,
      }),
      tokens: new prom.Counter({
        name: "flock_tokens_total",
        help: "Tokens by kind: prompt (cached ones included), cached, completion.",
        labelNames: ["model", "kind"],
        registers,
      }),
      latency: new prom.Histogram({
        name: "flock_request_duration_seconds",
        help: "From the request's arrival to the end of its answer.",
        labelNames: ["model", "protocol"],
        buckets: SECONDS,
        registers,
      }),
      firstToken: new prom.Histogram({
        name: "flock_time_to_first_token_seconds",
        help: "From the request's arrival to the first content of its answer.",
        labelNames: ["model", "protocol"],
        buckets: SECONDS,
        registers,
      }),
      inFlight: new prom.Gauge({ name: "flock_requests_in_flight", help: "Requests being served now.", registers }),
      openStreams: new prom.Gauge({ name: "flock_open_streams", help: "Streams open to clients now.", registers }),
    };
    for (const { record, status } of this.#held) observe(this.#instruments, record, status);
    this.#held = [];
  }

  /** The Prometheus text exposition. */
  async render(): Promise<{ contentType: string; text: string }> {
    await this.load();
    const instruments = this.#instruments;
    if (!instruments) throw new Error("metrics are not loaded");
    instruments.inFlight.set(this.#inFlight);
    instruments.openStreams.set(this.#openStreams);
    return { contentType: instruments.registry.contentType, text: await instruments.registry.metrics() };
  }
}

function observe(instruments: Instruments, record: UsageRecord, status: number): void {
  const model = record.servedModel;
  const { protocol, outcome, errorKind: error } = record;
  instruments.requests.inc({ model, protocol, outcome, error, status });
  if (record.promptTokens > 0) instruments.tokens.inc({ model, kind: "prompt" }, record.promptTokens);
  if (record.cachedTokens > 0) instruments.tokens.inc({ model, kind: "cached" }, record.cachedTokens);
  if (record.completionTokens > 0) instruments.tokens.inc({ model, kind: "completion" }, record.completionTokens);
  if (outcome !== "ok") return;
  instruments.latency.observe({ model, protocol }, record.latencyMs / 1000);
  if (record.ttftMs !== null) instruments.firstToken.observe({ model, protocol }, record.ttftMs / 1000);
}
