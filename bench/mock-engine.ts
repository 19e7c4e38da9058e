import type { Socket } from "bun";
import { MessageReader, type MessageSink } from "./http-message.ts";
import { type Answers, jsonResponse, type Pace, parseModelName, renderAnswers } from "./mock-answers.ts";

export interface MockEngine {
  readonly port: number;
  readonly stats: MockStats;
  stop(): void;
}

export interface MockStats {
  requests: number;
  openStreams: number;
  /** Answers that the caller hung up on. */
  cut: number;
}

export interface MockEngineOptions {
  readonly port?: number;
  /** Names for `/v1/models`; any other name of the same form is answered as well. */
  readonly models: readonly string[];
  readonly slots?: number;
}

/** An engine that speaks like llama-server and costs next to nothing: instant, delayed or paced answers. */
export function startMockEngine(options: MockEngineOptions): MockEngine {
  const stats: MockStats = { requests: 0, openStreams: 0, cut: 0 };
  const answers = new Map<string, Prepared>();
  for (const model of options.models) prepare(answers, model);
  const shared: Shared = { stats, answers, options };
  const server = Bun.listen<Exchange>({
    hostname: "127.0.0.1",
    port: options.port ?? 0,
    socket: {
      open(socket) {
        socket.setNoDelay(true);
        socket.data = new Exchange(socket, shared);
      },
      data: (socket, bytes) => socket.data.reader.push(bytes),
      drain: (socket) => socket.data.drain(),
      close: (socket) => socket.data.close(),
      error: (socket) => socket.data.close(),
    },
  });
  return { port: server.port, stats, stop: () => server.stop(true) };
}

interface Prepared {
  readonly pace: Pace;
  readonly answers: Answers;
}

interface Shared {
  readonly stats: MockStats;
  readonly answers: Map<string, Prepared>;
  readonly options: MockEngineOptions;
}

function prepare(answers: Map<string, Prepared>, model: string): Prepared | null {
  const known = answers.get(model);
  if (known) return known;
  const pace = parseModelName(model);
  if (!pace) return null;
  const made = { pace, answers: renderAnswers(model, pace) };
  answers.set(model, made);
  return made;
}

/** One connection: a request, its answer, the next request. */
class Exchange implements MessageSink {
  readonly reader = new MessageReader(this, "requests");
  readonly #socket: Socket<Exchange>;
  readonly #shared: Shared;
  #requestLine = "";
  #body: Buffer[] = [];
  /** What the network has no room for yet. */
  #unsent: Buffer | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #streaming = false;

  constructor(socket: Socket<Exchange>, shared: Shared) {
    this.#socket = socket;
    this.#shared = shared;
  }

  onHead(head: string): void {
    this.#requestLine = head.slice(0, head.indexOf("\r\n"));
    this.#body = [];
  }

  onBody(piece: Buffer): void {
    this.#body.push(Buffer.from(piece));
  }

  onEnd(): void {
    const [method, path] = this.#requestLine.split(" ");
    if (method === "GET") this.#send(this.#describe(path ?? ""));
    else this.#answer(Buffer.concat(this.#body).toString("latin1"));
  }

  drain(): void {
    const rest = this.#unsent;
    this.#unsent = null;
    if (rest) this.#send(rest);
  }

  close(): void {
    if (this.#timer !== null) this.#shared.stats.cut += 1;
    this.#endStream();
  }

  #describe(path: string): Buffer {
    const { models, slots } = this.#shared.options;
    switch (path) {
      case "/health":
        return jsonResponse(200, { status: "ok" });
      case "/v1/models":
        return jsonResponse(200, { object: "list", data: models.map((id) => ({ id, object: "model" })) });
      case "/props":
        return jsonResponse(200, {
          default_generation_settings: { n_ctx: 32_768 },
          total_slots: slots ?? 1024,
          build_info: "b1-mock",
          chat_template_caps: { supports_tools: true },
        });
      case "/mock/stats":
        return jsonResponse(200, this.#shared.stats);
      default:
        return jsonResponse(404, { error: { code: 404, message: "File Not Found", type: "not_found_error" } });
    }
  }

  /** Reads the three fields that matter without parsing: the callers are ours, and the mock must stay cheap. */
  #answer(body: string): void {
    this.#shared.stats.requests += 1;
    const model = /"model"\s*:\s*"([^"]*)"/.exec(body)?.[1] ?? "";
    const prepared = prepare(this.#shared.answers, model);
    if (!prepared) {
      const error = { code: 400, message: `no model ${model}`, type: "invalid_request_error" };
      this.#send(jsonResponse(400, { error }));
      return;
    }
    const begin = /"stream"\s*:\s*true/.test(body)
      ? (): void => this.#stream(prepared, /"include_usage"\s*:\s*true/.test(body))
      : (): void => this.#send(prepared.answers.whole);
    if (prepared.pace.delayMs === 0) {
      begin();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = null;
      begin();
    }, prepared.pace.delayMs);
  }

  #stream({ pace, answers }: Prepared, usage: boolean): void {
    const end = usage ? answers.streamEndWithUsage : answers.streamEnd;
    if (pace.everyMs === 0) {
      this.#send(Buffer.concat([answers.streamStart, ...answers.streamPieces, end]));
      return;
    }
    this.#streaming = true;
    this.#shared.stats.openStreams += 1;
    this.#send(answers.streamStart);
    let at = 0;
    this.#timer = setInterval(() => {
      const piece = answers.streamPieces[at];
      at += 1;
      if (piece) {
        this.#send(piece);
        return;
      }
      this.#endStream();
      this.#send(end);
    }, pace.everyMs);
  }

  #endStream(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    if (this.#streaming) this.#shared.stats.openStreams -= 1;
    this.#streaming = false;
  }

  #send(bytes: Buffer): void {
    if (this.#unsent) {
      this.#unsent = Buffer.concat([this.#unsent, bytes]);
      return;
    }
    const sent = this.#socket.write(bytes);
    // Below zero: the connection is gone, and `close` follows.
    if (sent >= 0 && sent < bytes.length) this.#unsent = bytes.subarray(sent);
  }
}

// As a process of its own: `mock-engine.ts mock-16x0,mock-100x20`, prints its port.
if (import.meta.main) {
  const engine = startMockEngine({ models: (process.argv[2] ?? "mock-16x0").split(",") });
  console.log(engine.port);
}
