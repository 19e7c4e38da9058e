import type { Token } from "node-llama-cpp";
import { err, ok, type Result } from "../../core/result.ts";
import { HARMONY_FINAL } from "./answer/harmony.ts";
import type { ThinkingTags } from "./answer/thinking.ts";
import { TOOL_MARKS } from "../../dialect/tool-text/tool-syntax.ts";
import type { ChatCall } from "./chat-call.ts";
import { contextExceeded, type EngineError, invalidRequest } from "./engine-error.ts";
import type { GenerateJob } from "./generate.ts";
import { answerGrammar } from "./grammar/answer-grammar.ts";
import type { LoadedModel } from "./load-model.ts";
import type { ChatTemplate, Prompt } from "./template/chat-template.ts";

/**
 * Longer texts are refused by their size: no vocabulary has tokens of more characters on average, and turning
 * megabytes into tokens would stop every other answer meanwhile.
 */
const MAX_CHARACTERS_PER_TOKEN = 64;
const USUAL_CHARACTERS_PER_TOKEN = 4;
/** See `MOST_PARTS` in `schema-grammar.ts`. */
const MOST_GRAMMAR_CHARACTERS = 100_000;

type Loaded = Pick<LoadedModel, "model" | "template" | "contextTokens" | "grammars" | "marks">;

/** The prompt of a chat, exactly as it would be evaluated. */
export function promptOf(call: ChatCall, loaded: Pick<Loaded, "template">): Result<Prompt, EngineError> {
  const { enabled, budgetTokens, templateValues } = call.thinking;
  return loaded.template.render({
    turns: call.turns,
    // Shown, they would tempt the model to what must not be.
    tools: call.toolChoice.kind === "none" ? [] : call.tools,
    thinking: { enabled: budgetTokens === 0 ? false : enabled, templateValues },
    // A limit and a grammar go together only where the thinking's beginning is certain.
    open: budgetTokens !== null && budgetTokens > 0 && isHeld(call),
  });
}

/** All that is to be known before anything is evaluated. */
export async function planChat(call: ChatCall, loaded: Loaded): Promise<Result<GenerateJob, EngineError>> {
  const { template, model, contextTokens } = loaded;
  const characters = call.turns.reduce((sum, turn) => sum + turn.text.length, 0);
  if (characters > contextTokens * MAX_CHARACTERS_PER_TOKEN) {
    return err(contextExceeded(Math.ceil(characters / USUAL_CHARACTERS_PER_TOKEN), contextTokens, true));
  }
  const vocabularySize = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  const strange = call.sampling.logitBias.keys().find((token) => token >= vocabularySize);
  if (strange !== undefined)
    return err(invalidRequest(`'logit_bias': the model has no token ${strange}`, "logit_bias"));
  const prompt = promptOf(call, loaded);
  if (!prompt.ok) return prompt;
  const { tokens, thinkingOpened } = prompt.value;
  const room = contextTokens - tokens.length;
  // One place at least must be left for the answer.
  if (room < 1) return err(contextExceeded(tokens.length, contextTokens));
  const tags = template.thinkingTags;
  const grammar = await grammarOf(call, loaded, thinkingOpened);
  if (!grammar.ok) return grammar;
  const limit = call.thinking.budgetTokens ?? 0;
  const { kind } = call.toolChoice;
  const reads = call.tools.length > 0 && kind !== "none" && call.grammar === null;
  return ok({
    tokens,
    maxTokens: Math.min(call.maxTokens ?? room, room),
    stop: call.stop,
    sampling: call.sampling,
    form: {
      harmony: template.toolSyntax === "harmony" ? { opened: thinkingOpened } : null,
      thinking: tags === null || !call.thinking.apart ? null : { tags, opened: thinkingOpened },
      calls: reads
        ? {
            syntax: template.toolSyntax,
            tools: new Map(call.tools.map(({ name, parameters }) => [name, parameters])),
            parallel: call.parallelToolCalls && kind !== "tool",
          }
        : null,
    },
    marks: marksOf(loaded.marks, reads),
    grammar: grammar.value,
    logprobs: call.logprobs,
    thinkingLimit:
      limit > 0 && tags !== null ? { tokens: limit, close: model.tokenize(closing(template, tags), true) } : null,
  });
}

/** What ends the thinking in the model's stead. */
function closing(template: ChatTemplate, tags: ThinkingTags): string {
  return template.toolSyntax === "harmony" ? `${tags.close}${HARMONY_FINAL}` : `\n${tags.close}\n\n`;
}

/** The answer's form is given. */
function isHeld(call: ChatCall): boolean {
  return call.schema !== null || call.toolChoice.kind === "required" || call.toolChoice.kind === "tool";
}

async function grammarOf(
  call: ChatCall,
  { template, grammars }: Loaded,
  thinkingOpened: boolean,
): Promise<Result<GenerateJob["grammar"], EngineError>> {
  if (call.grammar !== null) {
    if (call.grammar.length > MOST_GRAMMAR_CHARACTERS) {
      return err(invalidRequest(`'grammar': at most ${MOST_GRAMMAR_CHARACTERS} characters`, "grammar"));
    }
    const state = await grammars.begin(call.grammar);
    if (!state.ok) return err(invalidRequest(`'grammar': ${state.error}`, "grammar"));
    return ok({ state: state.value, afterThinking: false });
  }
  const { toolChoice, tools } = call;
  const callable = toolChoice.kind === "tool" ? tools.filter(({ name }) => name === toolChoice.name) : tools;
  const tags = template.thinkingTags;
  // Thinking that the prompt has begun is free, and the grammar comes into force behind it.
  const afterThinking = thinkingOpened && call.thinking.apart && template.toolSyntax !== "harmony";
  const thinks = tags !== null && !afterThinking && call.thinking.enabled !== false;
  const text = answerGrammar({
    schema: call.schema,
    before: template.toolSyntax === "harmony" ? HARMONY_FINAL : "",
    calls:
      tools.length === 0 || toolChoice.kind === "none"
        ? null
        : {
            syntax: template.toolSyntax,
            tools: callable,
            several: call.parallelToolCalls && toolChoice.kind !== "tool",
            must: toolChoice.kind !== "auto",
          },
    thinking: thinks ? { tags, opened: thinkingOpened } : null,
  });
  const field = call.schema === null ? "tools" : "response_format";
  if (!text.ok) return err(invalidRequest(`'${field}': ${text.error}`, field));
  if (text.value === null) return ok(null);
  const state = await grammars.begin(text.value);
  if (!state.ok) return err(invalidRequest(`'${field}': llama.cpp takes no grammar of it: ${state.error}`, field));
  return ok({ state: state.value, afterThinking });
}

function marksOf(marks: ReadonlyMap<Token, string>, reads: boolean): ReadonlyMap<Token, string> {
  return reads ? marks : new Map([...marks].filter(([, text]) => !TOOL_MARKS.includes(text)));
}
