import type { UsageRecord } from "../core/usage-record.ts";
import { BOUNDS_SECONDS, Distribution, Tallies, type Tally } from "./tallies.ts";

type Labels = Readonly<Record<string, string | number>>;

/**
 * Counts what the gateway does. prom-client takes 48 ms to import, so it is loaded at the first scrape. Labels are
 * bounded: model ids that are served, never what a client typed.
 */
export class Metrics {
  readonly #tallies = new Tallies();
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
    this.#tallies.add(record, status);
  }

  streamOpened(): void {
    this.#openStreams += 1;
  }

  streamClosed(): void {
    this.#openStreams -= 1;
  }

  /** The Prometheus text exposition. `queues`: how many requests wait for a slot of each model. */
  async render(
    queues: readonly { readonly model: string; readonly waiting: number }[] = [],
  ): Promise<{ contentType: string; text: string }> {
    const prom = await import("prom-client");
    const registry = new prom.Registry();
    const registers = [registry];
    const requests = new prom.Counter({
      name: "flock_requests_total",
      help: "Requests answered, refused ones included.",
      labelNames: ["model", "protocol", "outcome", "error", "status"],
      registers,
    });
    const tokens = new prom.Counter({
      name: "flock_tokens_total",
      help: "Tokens by kind: prompt (cached ones included), cached, completion.",
      labelNames: ["model", "kind"],
      registers,
    });
    const latency = new Distributions();
    const firstToken = new Distributions();
    const queueWait = new Distributions();
    for (const tally of this.#tallies.all()) {
      const { model, protocol, outcome, error, status } = tally;
      requests.inc({ model, protocol, outcome, error, status }, tally.requests);
      for (const [kind, count] of tokensOf(tally)) if (count > 0) tokens.inc({ model, kind }, count);
      if (outcome !== "ok") continue;
      latency.add({ model, protocol }, tally.latency);
      firstToken.add({ model, protocol }, tally.firstToken);
      queueWait.add({ model, protocol }, tally.queueWait);
    }
    const histogram = (name: string, help: string, values: Distributions): void => {
      const metric = new prom.Histogram({ name, help, labelNames: ["model", "protocol"], registers });
      // The library adds up one value at a time; ours are added up already.
      Object.assign(metric, {
        getForPromString: () => Promise.resolve({ name, help, type: "histogram", values: values.lines(name) }),
      });
    };
    histogram("flock_request_duration_seconds", "From the request's arrival to the end of its answer.", latency);
    histogram(
      "flock_time_to_first_token_seconds",
      "From the request's arrival to the first content of its answer.",
      firstToken,
    );
    histogram("flock_queue_wait_seconds", "How long requests that were answered had waited for a slot.", queueWait);
    const queueLength = new prom.Gauge({
      name: "flock_queue_length",
      help: "Requests that wait for a slot of the model now.",
      labelNames: ["model"],
      registers,
    });
    for (const { model, waiting } of queues) queueLength.set({ model }, waiting);
    const gauge = (name: string, help: string, value: number): void =>
      new prom.Gauge({ name, help, registers }).set(value);
    gauge("flock_requests_in_flight", "Requests being served now.", this.#inFlight);
    gauge("flock_open_streams", "Streams open to clients now.", this.#openStreams);
    return { contentType: registry.contentType, text: await registry.metrics() };
  }
}

function tokensOf(tally: Tally): readonly (readonly [kind: string, count: number])[] {
  return [
    ["prompt", tally.promptTokens],
    ["cached", tally.cachedTokens],
    ["completion", tally.completionTokens],
  ];
}

/** Distributions by their labels, as lines of the exposition. */
class Distributions {
  readonly #byLabels = new Map<string, { readonly labels: Labels; readonly values: Distribution }>();

  add(labels: Labels, values: Distribution): void {
    const key = Object.values(labels).join("\0");
    const known = this.#byLabels.get(key) ?? { labels, values: new Distribution() };
    known.values.merge(values);
    this.#byLabels.set(key, known);
  }

  lines(name: string): { readonly metricName: string; readonly labels: Labels; readonly value: number }[] {
    return [...this.#byLabels.values()].flatMap(({ labels, values }) => {
      let count = 0;
      const buckets = values.counts.map((more, at) => {
        count += more;
        const le = BOUNDS_SECONDS[at] ?? "+Inf";
        return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count };
      });
      return [
        ...buckets,
        { metricName: `${name}_sum`, labels, value: values.sum },
        { metricName: `${name}_count`, labels, value: count },
      ];
    });
  }
}
