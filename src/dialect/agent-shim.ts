import type { ChatRequest, Message, Part, TextPart } from "../core/chat-request.ts";

export interface Shimmed {
  readonly request: ChatRequest;
  /** What was changed, each in a word or two; stands in `x-flock-adjusted`. */
  readonly adjusted: readonly string[];
}

/** A line with a hash that changes with every prompt: it would end the engine's prefix cache at the first token. */
const BILLING = /^x-anthropic-billing-header:[^\n]*\n?/;

/**
 * What coding agents send to a vendor and a model of one's own stumbles over, mended: for every target but the vendor
 * itself. The beginning of the conversation stays the same from turn to turn, so that the engine's prefix cache holds.
 */
export function shimForLocal(request: ChatRequest, contextTokens: number): Shimmed {
  const adjusted: string[] = [];
  const unbilled = withoutBilling(request.messages, adjusted);
  const messages = joinTurns(foldSystem(unbilled, adjusted), adjusted);
  const fitted = fitOutput(request, contextTokens, adjusted);
  return { request: { ...fitted, messages }, adjusted };
}

function withoutBilling(messages: readonly Message[], adjusted: string[]): readonly Message[] {
  const billed = (part: Part): boolean => part.type === "text" && BILLING.test(part.text);
  if (!messages.some(({ role, parts }) => role === "system" && parts.some(billed))) return messages;
  adjusted.push("billing header dropped");
  const cut = (part: Part): Part[] => {
    if (part.type !== "text") return [part];
    const text = part.text.replace(BILLING, "");
    return text === "" ? [] : [{ ...part, text }];
  };
  return messages
    .map((message) => (message.role === "system" ? { ...message, parts: message.parts.flatMap(cut) } : message))
    .filter(({ parts }) => parts.length > 0);
}

/**
 * Many templates take one system message, at the start. One that comes before the first answer joins it; a later one
 * becomes a reminder inside the next message of the user, where it does not move what came before.
 */
function foldSystem(messages: readonly Message[], adjusted: string[]): readonly Message[] {
  const firstAnswer = messages.findIndex(({ role }) => role === "assistant");
  const leadingEnd = firstAnswer < 0 ? messages.length : firstAnswer;
  const leading: Part[] = [];
  const rest: Message[] = [];
  let reminders: TextPart[] = [];
  let folded = false;
  for (const [at, message] of messages.entries()) {
    if (message.role === "system" && at < leadingEnd) {
      folded ||= leading.length > 0 || rest.length > 0;
      leading.push(...message.parts);
    } else if (message.role === "system") {
      folded = true;
      reminders.push(...message.parts.filter((part) => part.type === "text").map(reminder));
    } else if (message.role === "user" && reminders.length > 0) {
      rest.push({ ...message, parts: [...reminders, ...message.parts] });
      reminders = [];
    } else {
      rest.push(message);
    }
  }
  if (reminders.length > 0) rest.push({ role: "user", parts: reminders });
  if (!folded) return messages;
  adjusted.push("system messages folded");
  return leading.length === 0 ? rest : [{ role: "system", parts: leading }, ...rest];
}

function reminder({ text }: TextPart): TextPart {
  return { type: "text", text: asReminder(text) };
}

/** The form in which coding agents themselves say such things in the middle of a conversation. */
export function asReminder(text: string): string {
  return `<system-reminder>\n${text}\n</system-reminder>`;
}

/** Strict templates want turns to alternate; agents speak twice in a row as a matter of course. */
function joinTurns(messages: readonly Message[], adjusted: string[]): readonly Message[] {
  const joined: Message[] = [];
  for (const message of messages) {
    const last = joined.at(-1);
    const alike = last?.role === message.role && last.name === message.name;
    if (last && alike && (message.role === "user" || message.role === "assistant")) {
      joined[joined.length - 1] = { ...last, parts: [...last.parts, ...message.parts] };
    } else {
      joined.push(message);
    }
  }
  if (joined.length === messages.length) return messages;
  adjusted.push("turns joined");
  return joined;
}

/** Agents ask for 32,000 tokens and more of models whose whole window is smaller; engines refuse that, or worse. */
function fitOutput(request: ChatRequest, contextTokens: number, adjusted: string[]): ChatRequest {
  const { maxOutputTokens, ...rest } = request;
  if (maxOutputTokens === undefined || maxOutputTokens < contextTokens) return request;
  // Without a limit of its own the answer ends where the window does.
  adjusted.push("max_tokens fitted to the context");
  return rest;
}
