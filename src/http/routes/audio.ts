import { parseSpeech, parseTranscription, transcriptionUsage } from "../../dialect/openai-audio.ts";
import type { AudioSurface } from "../../gateway/serve-audio.ts";

/** `POST /v1/audio/transcriptions` (OpenAI): a form with a sound file, answered with its text. */
export const transcriptions: AudioSurface = {
  endpoint: "/v1/audio/transcriptions",
  ability: "transcribe audio",
  path: ({ replica, wire }) => (replica.abilities.audio ? (wire.transcriptionsPath ?? null) : null),
  parse: parseTranscription,
  usage: transcriptionUsage,
};

/** `POST /v1/audio/speech` (OpenAI): a text, answered with sound. */
export const speech: AudioSurface = {
  endpoint: "/v1/audio/speech",
  ability: "speak",
  path: ({ replica, wire }) => (replica.abilities.speech ? (wire.speechPath ?? null) : null),
  parse: parseSpeech,
  usage: () => null,
};
