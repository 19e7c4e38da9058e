import { asBuffer } from "../core/as-buffer.ts";
import type { ChatEvent } from "../core/chat-event.ts";

/** Longer ones are read in full; no frame of one token comes near. */
const MAX_BYTES = 65_536;
const FRAME_END = Buffer.from("\n\n");
const KEYS = { text: /"content": ?"/, thinking: /"reasoning(?:_content)?": ?"/ } as const;
/** What needs a look by JSON's rules: the end of the text, an escape, or what no JSON may hold. */
const NOT_PLAIN = /["\\\p{Cc}]/u;

interface Form {
  readonly type: keyof typeof KEYS;
  readonly text: string;
  /** What stands before the text and behind it. */
  readonly before: string;
  readonly after: string;
}

/**
 * Nearly all frames of a stream differ from the one before in one text only. A frame that is the same byte by byte around a
 * plain text is read without parsing: it gives that text, and can give nothing else. Which text of a frame that is, is not
 * guessed: another one is put in its place, and the frame read in full must give that one back.
 */
export class RepeatedFrame {
  #last: Form | null = null;
  #type: Form["type"] = "text";
  #before: Buffer | null = null;
  #after: Buffer = FRAME_END;

  /** The events of these bytes, if they are such frames and nothing else; null otherwise. */
  read(bytes: Uint8Array): ChatEvent[] | null {
    const before = this.#before;
    if (before === null || bytes.length > MAX_BYTES) return null;
    const buffer = asBuffer(bytes);
    const events: ChatEvent[] = [];
    for (let start = 0; start < buffer.length;) {
      const end = buffer.indexOf(FRAME_END, start) + FRAME_END.length;
      const text = end < FRAME_END.length ? null : this.#text(buffer, start, end, before);
      if (text === null) return null;
      if (text !== "") events.push({ type: this.#type, text });
      start = end;
    }
    return events;
  }

  /**
   * A frame was read in full and changed nothing but gave these events; `again` reads another one in the same way. Once two
   * in a row have the same form, frames of that form are known.
   */
  learn(data: string, events: readonly ChatEvent[], again: (data: string) => readonly ChatEvent[]): void {
    const last = this.#last;
    this.#last = formOf(data, events);
    const form = this.#last;
    if (form === null || last === null || form.type !== last.type) return;
    if (form.before !== last.before || form.after !== last.after) return;
    const probe = `${form.text}+`;
    if (!isText(again(form.before + probe + form.after), form.type, probe)) return;
    this.#type = form.type;
    this.#before = Buffer.from(`data: ${form.before}`);
    this.#after = Buffer.from(`${form.after}\n\n`);
  }

  #text(buffer: Buffer, start: number, end: number, before: Buffer): string | null {
    const from = start + before.length;
    const to = end - this.#after.length;
    if (to < from || buffer.compare(before, 0, before.length, start, from) !== 0) return null;
    if (buffer.compare(this.#after, 0, this.#after.length, to, end) !== 0) return null;
    const text = buffer.toString("utf8", from, to);
    return NOT_PLAIN.test(text) ? null : text;
  }
}

function formOf(data: string, events: readonly ChatEvent[]): Form | null {
  const [event] = events;
  if (event === undefined || (event.type !== "text" && event.type !== "thinking")) return null;
  if (!isText(events, event.type, event.text)) return null;
  const key = KEYS[event.type].exec(data);
  if (key === null) return null;
  const start = key.index + key[0].length;
  const end = start + event.text.length;
  // With escapes in it the text stands there differently; a line feed stands between two lines of the stream.
  if (data[end] !== '"' || data.slice(start, end) !== event.text || data.includes("\n")) return null;
  return { type: event.type, text: event.text, before: data.slice(0, start), after: data.slice(end) };
}

function isText(events: readonly ChatEvent[], type: Form["type"], text: string): boolean {
  const [event] = events;
  return events.length === 1 && event?.type === type && event.text === text && !("logprobs" in event);
}
