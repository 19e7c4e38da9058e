import { type Answer, ClientConnection } from "./client-connection.ts";
import type { ClosedLoop, LoadPlan, LoadResult, OpenLoop } from "./load-plan.ts";
import { spread } from "./statistics.ts";

/** Does what the plan says against a server on loopback. */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const run = new Run(plan);
  const startedMs = performance.now();
  await (plan.loop.kind === "closed" ? run.closed(plan.loop) : run.open(plan.loop));
  return run.result(performance.now() - startedMs);
}

class Run {
  readonly #plan: LoadPlan;
  readonly #request: Buffer;
  readonly #connections: ClientConnection[] = [];
  readonly #latenciesMs: number[] = [];
  readonly #firstTokensMs: number[] = [];
  readonly #problems: Record<string, number> = {};
  readonly #startedMs = performance.now();
  #begun = 0;
  #whole = 0;
  #aborted = 0;
  #lost = 0;
  #frames = 0;
  #over = false;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#request = renderRequest(plan);
  }

  async closed(loop: ClosedLoop): Promise<void> {
    const grace = this.#cutAfterGrace();
    const one = async (at: number): Promise<void> => {
      await Bun.sleep((loop.spreadMs * at) / loop.connections);
      const connection = this.#connect();
      while (this.#more()) await this.#once(connection, performance.now());
    };
    await Promise.all(Array.from({ length: loop.connections }, (_, at) => one(at)));
    this.#close(grace);
  }

  async open(loop: OpenLoop): Promise<void> {
    const grace = this.#cutAfterGrace();
    const running = new Set<Promise<void>>();
    const idle: ClientConnection[] = [];
    const due: number[] = [];
    const serve = async (connection: ClientConnection): Promise<void> => {
      for (let dueMs = due.shift(); dueMs !== undefined; dueMs = due.shift()) await this.#once(connection, dueMs);
      idle.push(connection);
    };
    while (this.#more(due.length)) {
      const elapsedMs = performance.now() - this.#startedMs;
      while (this.#more(due.length) && (this.#begun + due.length) * 1000 <= elapsedMs * loop.perSecond) {
        due.push(this.#startedMs + ((this.#begun + due.length) * 1000) / loop.perSecond);
        const connection = idle.pop() ?? (this.#connections.length < loop.maxConnections ? this.#connect() : null);
        if (connection === null) continue;
        const work = serve(connection).finally(() => running.delete(work));
        running.add(work);
      }
      await Bun.sleep(1);
    }
    await Promise.all(running);
    this.#close(grace);
  }

  result(elapsedMs: number): LoadResult {
    return {
      whole: this.#whole,
      aborted: this.#aborted,
      lost: this.#lost,
      problems: this.#problems,
      elapsedMs,
      frames: this.#frames,
      latencyMs: spread(this.#latenciesMs),
      firstTokenMs: this.#firstTokensMs.length === 0 ? null : spread(this.#firstTokensMs),
    };
  }

  #more(waiting = 0): boolean {
    return this.#begun + waiting < this.#plan.maxRequests && performance.now() - this.#startedMs < this.#plan.maxMs;
  }

  #connect(): ClientConnection {
    const connection = new ClientConnection(this.#plan.port, this.#request, this.#plan.expect);
    this.#connections.push(connection);
    return connection;
  }

  async #once(connection: ClientConnection, fromMs: number): Promise<void> {
    this.#begun += 1;
    if (this.#over) {
      this.#count({ problem: "not done in time", frames: 0, firstTokenAt: null, endedAt: 0 }, fromMs);
      return;
    }
    const { abortEvery } = this.#plan;
    const abort = abortEvery > 0 && this.#begun % abortEvery === 0;
    // Sometimes after the first piece, sometimes in the middle.
    const answer = await connection.ask(abort ? 1 + (this.#begun % 5) : 0);
    this.#count(answer, fromMs);
    // A server that refuses at once must not be hammered.
    if (answer.problem === "no connection") await Bun.sleep(10);
  }

  #count(answer: Answer, fromMs: number): void {
    this.#frames += answer.frames;
    if (answer.problem === "hung up") {
      this.#aborted += 1;
      return;
    }
    if (answer.problem !== "") {
      this.#lost += 1;
      this.#problems[answer.problem] = (this.#problems[answer.problem] ?? 0) + 1;
      return;
    }
    this.#whole += 1;
    this.#latenciesMs.push(answer.endedAt - fromMs);
    if (answer.firstTokenAt !== null) this.#firstTokensMs.push(answer.firstTokenAt - fromMs);
  }

  #cutAfterGrace(): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.#over = true;
      for (const connection of this.#connections) connection.close("not done in time");
    }, this.#plan.maxMs + this.#plan.graceMs);
  }

  #close(grace: ReturnType<typeof setTimeout>): void {
    clearTimeout(grace);
    for (const connection of this.#connections) connection.close();
  }
}

function renderRequest(plan: LoadPlan): Buffer {
  const headers = Object.entries({
    host: `127.0.0.1:${plan.port}`,
    "content-type": "application/json",
    ...plan.headers,
  });
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const bytes = Buffer.byteLength(plan.body);
  return Buffer.from(`POST ${plan.path} HTTP/1.1\r\n${lines}content-length: ${bytes}\r\n\r\n${plan.body}`);
}
