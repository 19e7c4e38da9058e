import type { JsonObject } from "../../../core/chat-request.ts";
import { err, ok, type Result } from "../../../core/result.ts";
import type { ThinkingTags } from "../answer/thinking.ts";
import type { ToolSyntax } from "../../../core/replica.ts";
import { type CallableTool, callRule } from "./call-grammar.ts";
import { either, GbnfRules, literal } from "./gbnf.ts";
import { schemaRule } from "./schema-grammar.ts";

export interface GrammarWish {
  /** What the answer's text must be; null: free. */
  readonly schema: JsonObject | null;
  /** Calls that may (or must) stand in place of the text; null: none. */
  readonly calls: {
    readonly syntax: ToolSyntax;
    readonly tools: readonly CallableTool[];
    readonly several: boolean;
    readonly must: boolean;
  } | null;
  /** What must stand before the text. */
  readonly before: string;
  /** What may come before; `opened`: the prompt has begun it already. */
  readonly thinking: { readonly tags: ThinkingTags; readonly opened: boolean } | null;
}

/** GBNF for an answer, thinking included; null: it is free. The error names what cannot be held to. */
export function answerGrammar(wish: GrammarWish): Result<string | null, string> {
  const rules = new GbnfRules();
  const choices: string[] = [];
  if (wish.schema !== null) {
    const schema = schemaRule(wish.schema, rules);
    if (!schema.ok) return schema;
    choices.push(wish.before === "" ? schema.value : `${literal(wish.before)} ${schema.value}`);
  }
  if (wish.calls !== null && (wish.calls.must || wish.schema !== null)) {
    const { syntax, tools, several, must } = wish.calls;
    const calls = callRule(syntax, tools, several, rules);
    if (!calls.ok) return err(`${calls.error}, in the parameters of a tool`);
    if (must) choices.splice(0);
    choices.push(calls.value);
  }
  if (choices.length === 0) return ok(null);
  return ok(rules.toText(`${thought(wish.thinking)}${either(choices)}`));
}

/** Thinking is free but for its end; white space between it and the answer is the template's habit. */
function thought(thinking: GrammarWish["thinking"]): string {
  if (thinking === null) return "";
  const { open, close } = thinking.tags;
  const [first = "", second = ""] = close;
  const rest = String.raw`([^${escaped(first)}] | ${literal(first)} [^${escaped(second)}])* ${literal(close)} [ \n]{0,4}`;
  return thinking.opened ? `${rest} ` : `(${literal(open)} ${rest})? `;
}

function escaped(character: string): string {
  return /[\]\\^-]/.test(character) ? `\\${character}` : character;
}
