import type { ServerResponse } from "node:http";
import { finishOf, pieces, type Script, usageOf, words } from "./script.ts";
import { failure, json, raw } from "./scripted-reply.ts";

/** A stream of `/v1/completions`, or of llama-server's own `/infill`. */
export async function complete(
  path: string,
  model: string,
  script: Script,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const { prompt_tokens, completion_tokens } = usageOf(script);
  const infill = path === "/infill";
  const frame = (text: string): object =>
    infill
      ? { index: 0, content: text, stop: false }
      : { choices: [{ text, index: 0, logprobs: null, finish_reason: null }], model, object: "text_completion" };
  const last: object[] = infill
    ? [
        {
          content: "",
          stop: true,
          stop_type: "eos",
          tokens_predicted: completion_tokens,
          tokens_evaluated: prompt_tokens,
        },
      ]
    : [
        { choices: [{ text: "", index: 0, logprobs: null, finish_reason: finishOf(script) }], model },
        { choices: [], model, usage: usageOf(script) },
      ];
  response.writeHead(200, { "content-type": "text/event-stream" });
  const send = (value: object): boolean => response.write(`data: ${JSON.stringify(value)}\n\n`);
  await pause(script.firstTokenDelayMs, signal);
  for (const [at, word] of words(script.text ?? "").entries()) {
    if (script.fault && at >= (script.faultAfter ?? 1)) return breakStream(script.fault, response, signal);
    if (at > 0) await pause(script.tokenDelayMs, signal);
    send(frame(word));
  }
  for (const value of last) send(value);
  response.end(infill ? "" : "data: [DONE]\n\n");
}

export async function whole(model: string, script: Script, signal: AbortSignal) {
  await pause((script.firstTokenDelayMs ?? 0) + pieces(script).length * (script.tokenDelayMs ?? 0), signal);
  const tool_calls = script.toolCalls?.map((call, index) => ({
    id: `call_${index}`,
    type: "function",
    function: { name: call.name, arguments: call.arguments },
  }));
  const message = {
    role: "assistant",
    content: script.text ?? (tool_calls ? null : ""),
    ...(script.thinking === undefined ? {} : { reasoning_content: script.thinking }),
    ...(tool_calls ? { tool_calls } : {}),
  };
  const choices = [{ finish_reason: finishOf(script), index: 0, message }];
  return {
    choices,
    created: 1795438413,
    model,
    object: "chat.completion",
    usage: usageOf(script),
    id: "chatcmpl-scripted",
  };
}

/** An answer in one piece with a fault; `silent` ends when the caller hangs up. */
export function brokenWhole(fault: NonNullable<Script["fault"]>, response: ServerResponse): void {
  const half = '{"object":"chat.completion","choices":[{"index":0,"mess';
  if (fault === "error") return json(response, 500, failure(500, "server_error", "scripted failure"));
  if (fault === "not-json") return raw(response, 200, "{nonsense");
  if (fault === "half-frame" || fault === "no-done") return raw(response, 200, half);
  response.writeHead(200, { "content-type": "application/json", "content-length": 1000 });
  response.write(half);
  if (fault === "cut") setTimeout(() => response.destroy(), 20);
}

export async function stream(
  model: string,
  script: Script,
  response: ServerResponse,
  signal: AbortSignal,
  sent: (bytes: number) => void,
): Promise<void> {
  const chunk = (choices: unknown[], rest: Record<string, unknown> = {}): string =>
    `data: ${JSON.stringify({ choices, created: 1795438413, id: "chatcmpl-scripted", model, object: "chat.completion.chunk", ...rest })}\n\n`;
  const delta = (value: Record<string, unknown>): string => chunk([{ finish_reason: null, index: 0, delta: value }]);
  const send = async (text: string): Promise<void> => {
    signal.throwIfAborted();
    if (!response.write(text)) await drained(response, signal);
    sent(text.length);
  };
  response.writeHead(200, { "content-type": "text/event-stream" });
  await send(delta({ role: "assistant", content: null }));
  await pause(script.firstTokenDelayMs, signal);
  const all = pieces(script);
  for (const [at, piece] of all.entries()) {
    if (script.fault && at >= (script.faultAfter ?? 1)) break;
    if (at > 0) await pause(script.tokenDelayMs, signal);
    // A caller that hung up meanwhile is found by the next write.
    if (at === all.length - 1) await script.until;
    await send(delta(piece.delta));
  }
  if (script.fault) return breakStream(script.fault, response, signal);
  await send(chunk([{ finish_reason: finishOf(script), index: 0, delta: {} }]));
  await send(chunk([], { usage: usageOf(script) }));
  await send("data: [DONE]\n\n");
  response.end();
}

/** Ends a stream as `fault` says. */
async function breakStream(
  fault: NonNullable<Script["fault"]>,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  // What was sent must arrive first: a cut throws away what the kernel has not taken.
  await pause(20, signal);
  switch (fault) {
    case "cut":
      response.destroy();
      return;
    case "silent":
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      return;
    case "half-frame":
      response.write('data: {"choices":[{"index":0,"del');
      break;
    case "not-json":
      response.write("data: {nonsense\n\n");
      break;
    case "error":
      response.write(`data: ${JSON.stringify(failure(500, "server_error", "scripted failure"))}\n\n`);
      break;
    case "no-done":
  }
  response.end();
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    response.once("drain", resolve);
    signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
  });
}

export function pause(ms: number | undefined, signal: AbortSignal): Promise<void> {
  if (ms === undefined || ms <= 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    const stop = (): void => {
      clearTimeout(timer);
      reject(new Error("aborted"));
    };
    signal.addEventListener("abort", stop, { once: true });
  });
}
