import { newId } from "../../core/id.ts";
import { ok, type Result } from "../../core/result.ts";
import { AnswerFrames, type AnswerHead, WholeAnswer } from "./chat-answer.ts";
import { parseChatBody } from "./chat-body.ts";
import { errorResponse, notSupported, type EngineError } from "./engine-error.ts";
import { planChat, promptOf } from "./plan-chat.ts";
import { canChat } from "./props.ts";
import { type AnswerForm, ignoredHeader, respond, type WorkContext } from "./respond.ts";

/** The number of prompt tokens of a chat, exactly as `chat` would evaluate them. */
export function countTokens(input: unknown, context: WorkContext): Result<number, EngineError> {
  const call = parseChatBody(input);
  if (!call.ok) return call;
  const prompt = promptOf(call.value, context.loaded);
  return prompt.ok ? ok(prompt.value.tokens.length) : prompt;
}

/** `POST /v1/chat/completions`. The status is decided with the first piece of text: errors before it keep theirs. */
export async function chat(input: unknown, context: WorkContext, clientSignal: AbortSignal): Promise<Response> {
  const call = parseChatBody(input);
  if (!call.ok) return errorResponse(call.error);
  const { loaded, clock } = context;
  if (!canChat(loaded)) {
    return errorResponse(notSupported("model", `chat with ${context.modelId}, which only reads, is`));
  }
  const job = await planChat(call.value, loaded);
  if (!job.ok) return errorResponse(job.error);
  const head: AnswerHead = {
    id: newId("chatcmpl", 32).replace("_", "-"),
    created: Math.floor(clock.now() / 1000),
    model: call.value.model ?? context.modelId,
    system_fingerprint: `llama.cpp-${loaded.llamaCppRelease}`,
  };
  const ignored = [...call.value.ignored, ...(loaded.template.thinkingTags === null ? call.value.thinking.fields : [])];
  const headers: Record<string, string> = ignored.length > 0 ? { "x-flock-adjusted": ignoredHeader(ignored) } : {};
  const answer = new WholeAnswer();
  const form: AnswerForm = {
    stream: call.value.stream,
    includeUsage: call.value.includeUsage,
    headers,
    frames: new AnswerFrames(head),
    add: (part) => answer.add(part),
    toBody: (end) => answer.toBody(head, end, call.value.logprobs !== null),
  };
  return await respond(job.value, form, context, clientSignal);
}
