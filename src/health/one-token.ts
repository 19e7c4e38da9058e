import type { ChatEvent } from "../core/chat-event.ts";
import type { ChatRequest } from "../core/chat-request.ts";
import type { EngineAnswer } from "../core/engine-answer.ts";
import type { Failure } from "../core/failure.ts";
import { engineFailure } from "../core/failure.ts";
import type { Replica } from "../core/replica.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { EngineWire } from "../engine/driver.ts";

/** The cheapest proof that a model answers. */
function oneToken(model: string): ChatRequest {
  return {
    model,
    messages: [{ role: "user", parts: [{ type: "text", text: "1" }] }],
    stream: false,
    includeUsage: false,
    maxOutputTokens: 1,
    stop: [],
    sampling: { temperature: 0 },
    tools: [],
    output: { kind: "text" },
  };
}

type Post = (
  replica: Replica,
  path: string,
  body: string,
  signal: AbortSignal,
) => Promise<Result<EngineAnswer, Failure>>;

/** Asks a replica for one token, as a request would be asked; what it says does not matter. Never rejects. */
export async function askOneToken(
  replica: Replica,
  wire: EngineWire,
  post: Post,
  signal: AbortSignal,
): Promise<Result<void, Failure>> {
  const call = wire.plan(oneToken(replica.model), replica, "");
  if (!call.ok) return call;
  const answer = await post(replica, call.value.path, call.value.body, signal);
  if (!answer.ok) return signal.aborted ? err(engineFailure("it gave no token in time")) : answer;
  const body = await answer.value.text().catch(() => null);
  if (body === null) return err(engineFailure("it broke off"));
  if (!answer.value.ok) return err(wire.readError(answer.value.status, body, replica));
  const failed = (call.value.reader ?? wire).readAnswer(body).find((event: ChatEvent) => event.type === "failed");
  return failed?.type === "failed" ? err(failed.failure) : ok(undefined);
}
