import { Template } from "@huggingface/jinja";
import type { LlamaModel, Token } from "node-llama-cpp";
import type { JsonObject } from "../../../core/chat-request.ts";
import { err, ok, type Result } from "../../../core/result.ts";
import { HARMONY_THINKING } from "../answer/harmony.ts";
import { type ThinkingTags, thinkingTagsOf } from "../answer/thinking.ts";
import type { ToolSyntax } from "../../../core/replica.ts";
import { toolSyntaxOf } from "../../../dialect/tool-text/tool-syntax.ts";
import type { ChatThinking, ChatTool, ChatTurn } from "../chat-call.ts";
import { type EngineError, invalidRequest } from "../engine-error.ts";
import { ControlTexts, SpokenText } from "./control-text.ts";
import { formsOf, separated, type TemplateMessage, toMessages } from "./messages.ts";
import { probeTemplate } from "./probe.ts";

/** For models whose file has no template of its own. */
const CHATML =
  "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}" +
  "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";

export interface PromptParts {
  readonly turns: readonly ChatTurn[];
  /** Shown to the model. */
  readonly tools: readonly ChatTool[];
  readonly thinking: Pick<ChatThinking, "enabled" | "templateValues">;
  /** The prompt is to end within the model's thinking, if it thinks. */
  readonly open?: boolean;
}

export interface Prompt {
  readonly tokens: Token[];
  /** The prompt ends within the model's thinking. */
  readonly thinkingOpened: boolean;
}

export interface ChatTemplate {
  /** `model`: the file's own; `chatml`: the fallback. */
  readonly source: "model" | "chatml";
  /** It shows tools itself; else they are described in words. */
  readonly knowsTools: boolean;
  readonly toolSyntax: ToolSyntax;
  /** Null: nothing in it speaks of thinking. */
  readonly thinkingTags: ThinkingTags | null;
  /** The prompt as the model reads it. Text of the messages never turns into control tokens. */
  render(parts: PromptParts): Result<Prompt, EngineError>;
}

export function chatTemplate(model: LlamaModel, log: (line: string) => void): ChatTemplate {
  const own = model.fileInfo.metadata.tokenizer.chat_template;
  const parsed = own === undefined ? null : tryParse(own, log);
  const text = parsed === null || own === undefined ? CHATML : own;
  const template = parsed ?? new Template(CHATML);
  const always = { bos_token: model.tokens.bosString ?? "", eos_token: model.tokens.eosString ?? "" };
  const renderWith = (values: JsonObject): string =>
    template.render({ ...always, documents: null, add_generation_prompt: true, ...structuredClone(values) });
  const probed = probeTemplate(renderWith);
  const syntax = toolSyntaxOf(text);
  // A template whose way of calling we cannot read is told in words how to write a call that we can.
  const abilities = syntax === null ? { ...probed, tools: false, calls: null } : probed;
  const toolSyntax = syntax !== null && (abilities.tools || syntax === "harmony") ? syntax : "hermes";
  const tags = thinkingTagsOf(text);
  const controls = ControlTexts.of(model);
  // It looks at the first call of a message and forgets the others.
  const onlyFirst = /tool_calls\[0\]/.test(text) && !/in message\.tool_calls\b/.test(text);

  return {
    source: parsed === null ? "chatml" : "model",
    knowsTools: abilities.tools,
    toolSyntax,
    thinkingTags: tags,
    render({ turns, tools, thinking, open = false }) {
      const spoken = new SpokenText(controls);
      const last = turns.at(-1);
      // A last message of the assistant is the start of its answer, to be gone on with.
      const begun = last?.role === "assistant" && last.toolCalls.length === 0 ? last.text : null;
      const shown = begun === null ? turns : turns.slice(0, -1);
      const messages = toMessages(shown, tools, abilities, /length 9\b/.test(text));
      const values = {
        ...thinkingValues(text, thinking),
        tools: abilities.tools && tools.length > 0 ? tools.map(({ declaration }) => spoken.takeAll(declaration)) : null,
      };
      const rendered = firstOf(
        formsOf(spoken.takeAll(onlyFirst ? separated(messages) : messages), abilities.system),
        (form) => renderWith({ ...values, messages: form }),
      );
      if (!rendered.ok) {
        return err(
          invalidRequest(`the model's chat template does not take these messages: ${rendered.error}`, "messages"),
        );
      }
      const closed =
        thinking.enabled === false && !hasSwitch(text) ? withThinkingClosed(rendered.value, tags) : rendered.value;
      const opener = open && begun === null && tags !== null && !isOpen(closed, tags) ? `${tags.open}\n` : "";
      const prompt = closed + opener + spoken.take(begun ?? "");
      const tokens = spoken.toLlamaText(prompt).tokenize(model.tokenizer, "trimLeadingSpace");
      return ok({ tokens: withBeginning(tokens, model), thinkingOpened: begun === null && isOpen(prompt, tags) });
    },
  };
}

function tryParse(template: string, log: (line: string) => void): Template | null {
  try {
    const parsed = new Template(template);
    parsed.render({ messages: [{ role: "user", content: "hi" }], tools: null, add_generation_prompt: true });
    return parsed;
  } catch (error) {
    log(`the model's chat template cannot be used, ChatML takes its place: ${String(error)}`);
    return null;
  }
}

/** Jinja has no other way to say no than to throw. */
function firstOf(
  forms: Iterable<TemplateMessage[]>,
  render: (form: TemplateMessage[]) => string,
): Result<string, string> {
  let first: string | null = null;
  for (const form of forms) {
    try {
      return ok(render(form));
    } catch (error) {
      first ??= error instanceof Error ? error.message : String(error);
    }
  }
  return err(first ?? "there are none");
}

/** The names that templates give to the switch. */
const SWITCHES = { enable_thinking: /\benable_thinking\b/, thinking: /\bif (not )?thinking\b|\bthinking is defined\b/ };

function hasSwitch(template: string): boolean {
  return Object.values(SWITCHES).some((pattern) => pattern.test(template));
}

function thinkingValues(template: string, { enabled, templateValues }: PromptParts["thinking"]): JsonObject {
  if (enabled === null) return templateValues;
  const switches = Object.entries(SWITCHES).filter(([, pattern]) => pattern.test(template));
  return { ...templateValues, ...Object.fromEntries(switches.map(([name]) => [name, enabled])) };
}

/** Where the template has no switch, an empty thought tells the model that it has been done. */
function withThinkingClosed(prompt: string, tags: ThinkingTags | null): string {
  if (tags === null) return prompt;
  if (isOpen(prompt, tags)) return `${prompt.trimEnd()}\n\n${tags.close}\n\n`;
  if (tags === HARMONY_THINKING) return `${prompt}${tags.open}${tags.close}`;
  return `${prompt}${tags.open}\n\n${tags.close}\n\n`;
}

function isOpen(prompt: string, tags: ThinkingTags | null): boolean {
  return tags !== null && prompt.trimEnd().endsWith(tags.open);
}

/** As llama.cpp does: the beginning-of-text token comes first where the model wants it, and never twice. */
function withBeginning(tokens: Token[], model: LlamaModel): Token[] {
  const { bos, shouldPrependBosToken } = model.tokens;
  return bos === null || !shouldPrependBosToken || tokens[0] === bos ? tokens : [bos, ...tokens];
}
