import type { Script } from "../../test/support/script.ts";
import type { Flavor } from "../../test/support/stand-in/flavor.ts";
import type { StandIn } from "../../test/support/stand-in/start-stand-in.ts";
import { EngineConnections } from "../cluster/fetch-engine.ts";
import { collectAnswer } from "../core/chat-answer.ts";
import type { ChatEvent } from "../core/chat-event.ts";
import type { ChatRequest } from "../core/chat-request.ts";
import type { Replica } from "../core/replica.ts";
import type { EngineManager, EngineWire } from "./driver.ts";

export interface DriverUnderTest {
  readonly wire: EngineWire;
  readonly manager: () => EngineManager;
  /** The engine that it talks to here. */
  readonly flavor: Flavor;
}

/** A driver, the engine that it talks to, and the model that it found there. */
export interface Rig {
  readonly driver: DriverUnderTest;
  readonly engine: StandIn;
  readonly replica: Replica;
  /** One request, to the end of its answer. */
  readonly ask: (request?: Partial<ChatRequest>, script?: Script, signal?: AbortSignal) => Promise<ChatEvent[]>;
}

export const REQUEST: ChatRequest = {
  model: "asked-name",
  messages: [{ role: "user", parts: [{ type: "text", text: "hi" }] }],
  stream: true,
  includeUsage: true,
  maxOutputTokens: 100,
  stop: [],
  sampling: {},
  tools: [],
  output: { kind: "text" },
};
export const never = new AbortController().signal;

type Asked = Pick<Rig, "driver" | "engine" | "replica">;

export async function ask(
  { driver, engine, replica }: Asked,
  request: Partial<ChatRequest> = {},
  script: Script = { text: "hello" },
  signal: AbortSignal = never,
): Promise<ChatEvent[]> {
  engine.script = script;
  const call = driver.wire.plan({ ...REQUEST, ...request }, replica, "tenant");
  if (!call.ok) throw new Error(`it was refused: ${JSON.stringify(call.error)}`);
  const reader = call.value.reader ?? driver.wire;
  const answer = await post(engine, call.value.path, call.value.body, signal);
  if (signal.aborted && answer.pieces.length === 0) return [{ type: "failed", failure: { kind: "cancelled" } }];
  if (answer.status !== 200) {
    const failure = driver.wire.readError(answer.status, answer.text, replica);
    return [{ type: "failed", failure }];
  }
  if (request.stream === false) return reader.readAnswer(answer.text);
  const decoder = reader.decode();
  const events = answer.pieces.flatMap((piece) => decoder.push(piece));
  return [...events, ...decoder.end()];
}

interface Posted {
  readonly status: number;
  readonly pieces: readonly Uint8Array[];
  readonly text: string;
}

export async function post(engine: StandIn, path: string, body: string, signal: AbortSignal): Promise<Posted> {
  const connections = new EngineConnections();
  const target = { id: "e", endpoint: engine.url, secret: "", start: "" };
  const headers = { "content-type": "application/json" };
  const answer = await connections.fetch(target, { method: "POST", path, headers, body, fresh: true }, signal);
  if (!answer.ok && answer.error.kind !== "cancelled") {
    throw new Error(`nobody answered: ${JSON.stringify(answer.error)}`);
  }
  if (!answer.ok) return { status: 499, pieces: [], text: "" };
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of answer.value.body ?? []) pieces.push(piece);
  } catch {
    // A connection that broke has ended.
  }
  connections.close();
  return { status: answer.value.status, pieces, text: Buffer.concat(pieces).toString("utf8") };
}

export function textOf(events: readonly ChatEvent[]): string {
  return events.map((event) => (event.type === "text" ? event.text : "")).join("");
}

export function endingsOf(events: readonly ChatEvent[]): string[] {
  return events.filter(({ type }) => type === "done" || type === "failed").map(({ type }) => type);
}

export function callsOf(events: readonly ChatEvent[]): { name: string; arguments: string }[] {
  const answer = collectAnswer(events);
  if (!answer.ok) throw new Error(`it failed: ${JSON.stringify(answer.error)}`);
  return answer.value.toolCalls.map((call) => ({ name: call.name, arguments: call.arguments }));
}

export function sentFormat(engine: StandIn): boolean {
  return engine.seen.some(({ body }) => body.format !== undefined);
}

export function dataOf(text: string): { embedding: unknown }[] {
  return (JSON.parse(text) as { data: { embedding: unknown }[] }).data;
}
