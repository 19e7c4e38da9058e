import type { LlamaModel, Token } from "node-llama-cpp";
import { newId } from "../../core/id.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { AnswerHead } from "./chat-answer.ts";
import { CompletionFrames, WholeCompletion } from "./completion-answer.ts";
import { type CompletionCall, parseCompletionBody } from "./completion-body.ts";
import { contextExceeded, type EngineError, errorResponse, invalidRequest, notSupported } from "./engine-error.ts";
import type { GenerateJob } from "./generate.ts";
import type { LoadedModel } from "./load-model.ts";
import { canChat } from "./props.ts";
import { ignoredHeader, respond, type WorkContext } from "./respond.ts";

/** See `plan-chat.ts`: longer texts are refused by their size. */
const MAX_CHARACTERS_PER_TOKEN = 64;
const USUAL_CHARACTERS_PER_TOKEN = 4;

/** `POST /v1/completions`: the model goes on with the text as it is, or fills the gap before `suffix`. */
export async function complete(input: unknown, context: WorkContext, clientSignal: AbortSignal): Promise<Response> {
  const parsed = parseCompletionBody(input);
  if (!parsed.ok) return errorResponse(parsed.error);
  const call = parsed.value;
  const { loaded, clock } = context;
  if (!canChat(loaded)) {
    return errorResponse(notSupported("model", `completing texts with ${context.modelId}, which only reads, is`));
  }
  const job = await planCompletion(call, loaded);
  if (!job.ok) return errorResponse(job.error);
  const head: AnswerHead = {
    id: newId("cmpl", 32).replace("_", "-"),
    created: Math.floor(clock.now() / 1000),
    model: call.model ?? context.modelId,
    system_fingerprint: `llama.cpp-${loaded.llamaCppRelease}`,
  };
  const answer = new WholeCompletion();
  const headers: Record<string, string> =
    call.ignored.length > 0 ? { "x-flock-adjusted": ignoredHeader(call.ignored) } : {};
  const form = {
    stream: call.stream,
    includeUsage: call.includeUsage,
    headers,
    frames: new CompletionFrames(head),
    add: answer.add.bind(answer),
    toBody: (end: Parameters<WholeCompletion["toBody"]>[1]) => answer.toBody(head, end, call.logprobs !== null),
  };
  return await respond(job.value, form, context, clientSignal);
}

async function planCompletion(call: CompletionCall, loaded: LoadedModel): Promise<Result<GenerateJob, EngineError>> {
  const { model, contextTokens } = loaded;
  const characters = call.prompt.length + (call.suffix?.length ?? 0);
  if (typeof call.prompt === "string" && characters > contextTokens * MAX_CHARACTERS_PER_TOKEN) {
    return err(contextExceeded(Math.ceil(characters / USUAL_CHARACTERS_PER_TOKEN), contextTokens, true));
  }
  const vocabularySize = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  const given = typeof call.prompt === "string" ? [] : call.prompt;
  const strange = [...given, ...call.sampling.logitBias.keys()].find((token) => token >= vocabularySize);
  if (strange !== undefined) {
    const field = given.includes(strange) ? "prompt" : "logit_bias";
    return err(invalidRequest(`'${field}': the model has no token ${strange}`, field));
  }
  const tokens = tokensOf(call, model);
  if (!tokens.ok) return tokens;
  const room = contextTokens - tokens.value.length;
  if (room < 1) return err(contextExceeded(tokens.value.length, contextTokens));
  const grammar = call.grammar === null ? null : await loaded.grammars.begin(call.grammar);
  if (grammar?.ok === false) return err(invalidRequest(`'grammar': ${grammar.error}`, "grammar"));
  return ok({
    tokens: tokens.value,
    maxTokens: Math.min(call.maxTokens ?? room, room),
    stop: call.stop,
    sampling: call.sampling,
    // Text is text here: neither thinking nor calls are looked for.
    form: { harmony: null, thinking: null, calls: null },
    marks: new Map(),
    grammar: grammar === null ? null : { state: grammar.value, afterThinking: false },
    logprobs: call.logprobs,
    thinkingLimit: null,
  });
}

function tokensOf(call: CompletionCall, model: LlamaModel): Result<Token[], EngineError> {
  if (typeof call.prompt !== "string") return ok([...call.prompt] as Token[]);
  const { bos, shouldPrependBosToken, infill } = model.tokens;
  const begin = bos === null || !shouldPrependBosToken ? [] : [bos];
  if (call.suffix === null) {
    // Raw: clients write a template's or a gap's marks into their prompts by themselves.
    const tokens = model.tokenize(call.prompt, true);
    const whole = tokens[0] === bos ? tokens : [...begin, ...tokens];
    // Something must be there to go on from.
    const [first] = [bos, model.tokens.eos].filter((token) => token !== null);
    return ok(whole.length > 0 || first === undefined ? whole : [first]);
  }
  const { prefix, suffix, middle } = infill;
  if (prefix === null || suffix === null) {
    return err(notSupported("suffix", "filling a gap (suffix) with this model, which has no tokens for it, is"));
  }
  const before = model.tokenize(call.prompt, false, "trimLeadingSpace");
  const behind = model.tokenize(call.suffix, false, "trimLeadingSpace");
  // Where a mark says that the middle begins it comes last; else the prefix does.
  if (middle === null) return ok([...begin, suffix, ...behind, prefix, ...before]);
  return ok([...begin, prefix, ...before, suffix, ...behind, middle]);
}
