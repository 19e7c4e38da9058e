import { asBuffer } from "../core/as-buffer.ts";
import type { ChatEvent, StreamDecoder } from "../core/chat-event.ts";
import type { Failure } from "../core/failure.ts";
import { engineFailure } from "../core/failure.ts";
import type { Choice } from "./ports.ts";

const MEMBER = Buffer.from('"model":');
const QUOTE = 0x22;
const SPACE = 0x20;
const BACKSLASH = 0x5c;

/**
 * The name by which the engine of this choice must answer; null: it says back what it was asked. An engine that was
 * started anew with another model goes on answering, and its node notices only at the next look.
 */
export function nameToAnswerBy({ wire, replica }: Choice): string | null {
  return wire.namesItsModel === true ? replica.engineModel : null;
}

/** What is wrong with the first bytes of an answer that is passed through; null: nothing, or no name is in them. */
export function wrongModelIn(bytes: Uint8Array, expected: string): Failure | null {
  const buffer = asBuffer(bytes);
  for (let at = buffer.indexOf(MEMBER); at >= 0; at = buffer.indexOf(MEMBER, at + MEMBER.length)) {
    // A key such as "x\"model" ends with the same bytes.
    if (buffer[at - 1] === BACKSLASH) continue;
    if (isName(buffer, at + MEMBER.length, expected)) return null;
    const start = buffer.indexOf(QUOTE, at + MEMBER.length);
    let end = buffer.indexOf(QUOTE, start + 1);
    while (end > 0 && buffer[end - 1] === BACKSLASH) end = buffer.indexOf(QUOTE, end + 1);
    if (start < 0 || end < 0) return null;
    return differs(toName(buffer.toString("utf8", start, end + 1)), expected);
  }
  return null;
}

/** Whether the name stands here, in the plain form in which nearly every engine writes it. */
function isName(buffer: Buffer, from: number, name: string): boolean {
  let at = from;
  while (buffer[at] === SPACE) at += 1;
  if (buffer[at] !== QUOTE || buffer[at + 1 + name.length] !== QUOTE) return false;
  for (let i = 0; i < name.length; i += 1) {
    const code = name.charCodeAt(i);
    if (code > 0x7e || code === BACKSLASH || buffer[at + 1 + i] !== code) return false;
  }
  return true;
}

/** The same for an answer that is translated. */
export function checkingModel(decoder: StreamDecoder, expected: string | null): StreamDecoder {
  if (expected === null) return decoder;
  let failed = false;
  const checked = (events: ChatEvent[]): ChatEvent[] => {
    if (failed) return [];
    const out = checkModel(events, expected);
    failed = out !== events;
    return out;
  };
  return { push: (bytes) => checked(decoder.push(bytes)), end: () => checked(decoder.end()) };
}

export function checkModel(events: ChatEvent[], expected: string | null): ChatEvent[] {
  if (expected === null) return events;
  const start = events.find((event) => event.type === "start");
  const failure = start?.type === "start" && start.model !== undefined ? differs(start.model, expected) : null;
  return failure === null ? events : [{ type: "failed", failure }];
}

function differs(name: string, expected: string): Failure | null {
  return name === expected ? null : engineFailure(`it answers as ${name.slice(0, 100)}, not as ${expected}`);
}

function toName(json: string): string {
  try {
    return String(JSON.parse(json));
  } catch {
    return json;
  }
}
