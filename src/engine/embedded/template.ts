import {
  JinjaTemplateChatWrapper,
  type ChatHistoryItem,
  type ChatModelFunctionCall,
  type LlamaModel,
  type LlamaText,
  type Token,
} from "node-llama-cpp";
import { err, ok, type Result } from "../../core/result.ts";
import type { ChatTurn } from "./chat-body.ts";
import { invalidRequest, type EngineError } from "./engine-error.ts";

/** For models whose file has no template of its own. */
const CHATML =
  "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}" +
  "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";

export interface ChatTemplate {
  /** `model`: the file's own; `chatml`: the fallback. */
  readonly source: "model" | "chatml";
  /** The prompt as the model reads it. Text of the messages never turns into control tokens. */
  render(turns: readonly ChatTurn[]): Result<Token[], EngineError>;
}

export function chatTemplate(model: LlamaModel, log: (line: string) => void): ChatTemplate {
  const own = model.fileInfo.metadata.tokenizer.chat_template;
  const wrappers = own === undefined ? null : tryWrappers(own, model, log);
  const [exact, joined] = wrappers ?? newWrappers(CHATML, model);
  return {
    source: wrappers === null ? "chatml" : "model",
    render(turns) {
      const history = toHistory(turns);
      if (!history.ok) return history;
      let firstError: unknown;
      // Many templates raise when a role comes twice in a row; joining such messages is what their users do by hand.
      for (const wrapper of [exact, joined]) {
        try {
          const { contextText } = wrapper.generateContextState({ chatHistory: history.value.items });
          const text = putResults(contextText, history.value.results);
          return ok(withBeginning(text.tokenize(model.tokenizer, "trimLeadingSpace"), model));
        } catch (error) {
          firstError ??= error;
        }
      }
      const reason = firstError instanceof Error ? firstError.message : "unknown reason";
      return err(invalidRequest(`the model's chat template does not take these messages: ${reason}`, "messages"));
    },
  };
}

function tryWrappers(
  template: string,
  model: LlamaModel,
  log: (line: string) => void,
): [JinjaTemplateChatWrapper, JinjaTemplateChatWrapper] | null {
  try {
    return newWrappers(template, model);
  } catch (error) {
    log(`the model's chat template cannot be used, ChatML takes its place: ${String(error)}`);
    return null;
  }
}

function newWrappers(template: string, model: LlamaModel): [JinjaTemplateChatWrapper, JinjaTemplateChatWrapper] {
  const options = { template, tokenizer: model.tokenizer };
  return [
    new JinjaTemplateChatWrapper({ ...options, joinAdjacentMessagesOfTheSameType: false }),
    new JinjaTemplateChatWrapper(options),
  ];
}

/** As llama.cpp does: the beginning-of-text token comes first where the model wants it, and never twice. */
function withBeginning(tokens: Token[], model: LlamaModel): Token[] {
  const { bos, shouldPrependBosToken } = model.tokens;
  return bos === null || !shouldPrependBosToken || tokens[0] === bos ? tokens : [bos, ...tokens];
}

interface History {
  readonly items: readonly ChatHistoryItem[];
  /** Texts of tool results by the marks that stand for them in `items`. */
  readonly results: ReadonlyMap<string, string>;
}

/** The library writes results as JSON, plain text in quotes. Models know them as their tools gave them. */
function putResults(text: LlamaText, results: ReadonlyMap<string, string>): LlamaText {
  if (results.size === 0) return text;
  const marks = new RegExp(`"?(${[...results.keys()].join("|")})"?`, "g");
  return text.mapValues((value) =>
    typeof value === "string" ? value.replace(marks, (_, mark: string) => results.get(mark) ?? "") : value,
  );
}

function toHistory(turns: readonly ChatTurn[]): Result<History, EngineError> {
  const answers = new Map<string, string>();
  const results = new Map<string, string>();
  const called = new Set<string>();
  for (const turn of turns) {
    if (turn.role === "tool") answers.set(turn.callId, turn.text);
    if (turn.role === "assistant") for (const { id } of turn.toolCalls) called.add(id);
  }
  // Random, so that no message can hold one.
  const mark = (callId: string): string => {
    const name = crypto.randomUUID();
    results.set(name, answers.get(callId) ?? "");
    return name;
  };
  const history: ChatHistoryItem[] = [];
  for (const turn of turns) {
    switch (turn.role) {
      case "system":
      case "user":
        history.push({ type: turn.role, text: turn.text });
        break;
      case "assistant":
        history.push({
          type: "model",
          response: [
            ...(turn.text === "" && turn.toolCalls.length > 0 ? [] : [turn.text]),
            // The library keeps a call and its result in one item, and renders the result as a message of its own.
            ...turn.toolCalls.map((call, index): ChatModelFunctionCall => ({
              type: "functionCall",
              name: call.name,
              params: parseArguments(call.arguments),
              result: mark(call.id),
              startsNewChunk: index === 0,
            })),
          ],
        });
        break;
      case "tool":
        if (!called.has(turn.callId)) {
          return err(invalidRequest(`no tool call has the id '${turn.callId}'`, "messages"));
        }
        break;
    }
  }
  const last = turns.at(-1);
  // A last message of the assistant is the start of its answer, to be gone on with.
  if (last?.role !== "assistant" || last.toolCalls.length > 0) history.push({ type: "model", response: [] });
  return ok({ items: history, results });
}

/** Models were trained on objects; text that is not JSON goes in as it is. */
function parseArguments(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}
