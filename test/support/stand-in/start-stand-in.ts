import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Script } from "../script.ts";
import { type Flavor, piecesOf, type Reply, type Trouble } from "./flavor.ts";

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Record<string, unknown>;
}

export interface StandIn {
  readonly url: string;
  /** What was asked, but for what it says of itself. */
  readonly seen: readonly Seen[];
  script: Script;
  /** Instead of an answer. */
  trouble: Trouble | null;
  /** Instead of what the flavor says of itself, by path. */
  about: Record<string, () => Reply>;
  /** The most answers that it was in the middle of at the same time. */
  readonly mostAtOnce: number;
  /** Answers that were cut off by the caller. */
  readonly hungUp: number;
  stop(): Promise<void>;
}

/** A stand-in for an engine: it says what a test wants, and fails how it wants, in the shapes of that kind of engine. */
export async function startStandIn(flavor: Flavor, port = 0): Promise<StandIn> {
  const seen: Seen[] = [];
  const state = { script: { text: "Hello from the stand-in." } as Script, trouble: null as Trouble | null, hungUp: 0 };
  const about: Record<string, () => Reply> = {};
  let running = 0;
  let mostAtOnce = 0;
  const send = (response: ServerResponse, { status, body }: Reply): void => {
    const headers = { "content-type": body.startsWith("{") ? "application/json" : "text/plain" };
    response.writeHead(status, flavor.server === null ? headers : { ...headers, server: flavor.server }).end(body);
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? "/";
    const body = await readJson(request);
    const said = about[path] ?? flavor.about[path];
    if (said) return send(response, said(body));
    if (path !== flavor.chatPath && path !== flavor.embeddings?.path)
      return send(response, { status: 404, body: "404" });
    if (request.method !== "POST") return send(response, { status: 405, body: "405" });
    seen.push({ method: request.method, path, headers: request.headers, body });
    const model = String(body.model);
    const trouble = state.trouble && flavor.troubles[state.trouble];
    if (trouble) return send(response, trouble);
    if (flavor.embeddings && path === flavor.embeddings.path) {
      if (body.input === undefined) return send(response, { status: 400, body: '{"error":{"message":"no input"}}' });
      const inputs = Array.isArray(body.input) ? body.input.map(String) : [JSON.stringify(body.input)];
      return send(response, { status: 200, body: JSON.stringify(flavor.embeddings.answer(model, inputs)) });
    }
    if (body.stream === false || body.stream === undefined) {
      return send(response, { status: 200, body: JSON.stringify(flavor.whole(model, state.script)) });
    }
    const gone = new AbortController();
    response.on("close", () => {
      if (response.writableEnded) return;
      state.hungUp += 1;
      gone.abort();
    });
    running += 1;
    mostAtOnce = Math.max(mostAtOnce, running);
    try {
      await stream(flavor, model, state.script, response, gone.signal);
    } finally {
      running -= 1;
    }
  };
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    about,
    get script() {
      return state.script;
    },
    set script(script) {
      state.script = script;
    },
    get trouble() {
      return state.trouble;
    },
    set trouble(trouble) {
      state.trouble = trouble;
    },
    get mostAtOnce() {
      return mostAtOnce;
    },
    get hungUp() {
      return state.hungUp;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function stream(
  flavor: Flavor,
  model: string,
  script: Script,
  response: ServerResponse,
  gone: AbortSignal,
): Promise<void> {
  const write = (text: string): boolean => response.write(text);
  response.writeHead(200, { "content-type": flavor.streamType });
  write(flavor.open(model));
  for (const [at, piece] of piecesOf(script).entries()) {
    if (script.fault && at >= (script.faultAfter ?? 1)) break;
    if (script.tokenDelayMs) await Bun.sleep(script.tokenDelayMs);
    if (gone.aborted) return;
    write(flavor.frame(model, piece));
  }
  const half = flavor.frame(model, { kind: "text", text: "never whole" });
  // What was sent must arrive first: a cut throws away what the kernel has not taken.
  if (script.fault) await Bun.sleep(20);
  switch (script.fault) {
    case "cut":
      return void response.destroy();
    case "half-frame":
      write(half.slice(0, Math.floor(half.length / 2)));
      break;
    case "not-json":
      write(flavor.streamType === "text/event-stream" ? "data: {nonsense\n\n" : "{nonsense\n");
      break;
    case "error":
      write(flavor.failure("scripted failure"));
      break;
    case "silent":
      return await new Promise((resolve) => gone.addEventListener("abort", () => resolve(), { once: true }));
    case "no-done":
      break;
    case undefined:
      write(flavor.close(model, script));
  }
  response.end();
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const text = Buffer.concat(pieces).toString("utf8");
  return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
}
