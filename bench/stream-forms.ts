import { EXTRA_FRAMES, type Pace } from "./mock-answers.ts";

/** The APIs in which a stream of the engine's can be asked for. */
export type FormName = "chat" | "messages" | "responses" | "ollama";

/** How one of them writes a stream, as far as the load driver must know to tell a whole answer. */
export interface StreamForm {
  readonly path: string;
  /** What ends a frame. */
  readonly frameEnd: string;
  /** Frames beside the pieces. */
  readonly extraFrames: number;
  /** Stands in the first frame of content, and in none before it. */
  readonly content: string;
  /** Stands in the last frame only. */
  readonly ending: string;
}

export const FORMS: Readonly<Record<FormName, StreamForm>> = {
  chat: {
    path: "/v1/chat/completions",
    frameEnd: "\n\n",
    extraFrames: EXTRA_FRAMES,
    content: '"content":"',
    ending: "data: [DONE]",
  },
  messages: {
    path: "/v1/messages",
    frameEnd: "\n\n",
    // The message's and the block's begin and end, and the stop reason.
    extraFrames: 5,
    content: '"text_delta"',
    ending: '{"type":"message_stop"',
  },
  responses: {
    path: "/v1/responses",
    frameEnd: "\n\n",
    // `created`, `in_progress`, `completed`, and two to open and three to close the message and its text.
    extraFrames: 8,
    content: '"response.output_text.delta"',
    ending: '{"type":"response.completed"',
  },
  ollama: { path: "/api/chat", frameEnd: "\n", extraFrames: 1, content: '"content":"', ending: '"done":true' },
};

export function framesOf(form: FormName, pace: Pace): number {
  return pace.pieces + FORMS[form].extraFrames;
}

interface Turn {
  readonly role: string;
  readonly content: string;
}

/** The same question in this API's words. */
export function streamBody(form: FormName, model: string, messages: readonly Turn[]): string {
  const more = { temperature: 0.2, max_tokens: 512, stream: true };
  const { temperature, max_tokens, stream } = more;
  switch (form) {
    case "chat":
      return JSON.stringify({ model, messages, ...more });
    case "messages": {
      const [system, ...turns] = messages;
      return JSON.stringify({ model, system: system?.content, messages: turns, ...more });
    }
    case "responses":
      return JSON.stringify({ model, input: messages, temperature, max_output_tokens: max_tokens, stream });
    case "ollama":
      return JSON.stringify({ model, messages, options: { temperature, num_predict: max_tokens }, stream });
  }
}
