import type { Failure } from "../core/failure.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { TokenUsage } from "../core/token-usage.ts";
import { boundaryOf, fieldText, type FormPart, parseForm, withField } from "../wire/multipart.ts";
import { openaiSpeechRequest, openaiTranscriptionUsage } from "../wire/openai-audio.ts";
import { parseBody } from "../wire/parse-body.ts";
import { scanBody } from "../wire/scan-body.ts";
import { splice } from "../wire/splice.ts";
import { tryJson } from "./sse-decoder.ts";

/** A call whose bytes pass through but for the model's name. */
export interface PassedCall {
  readonly model: string;
  readonly promptTokensEstimate: number;
  readonly answerType: string;
  readonly contentType: string;
  body(engineModel: string): Uint8Array<ArrayBuffer>;
}

const BYTES_PER_TOKEN = 4;
/** What speech models read it as: a token or so for each 80 ms of compressed sound. */
const SOUND_BYTES_PER_TOKEN = 1280;

const JSON_TYPE = "application/json";
const TRANSCRIPT_TYPES: Readonly<Record<string, string>> = {
  json: JSON_TYPE,
  verbose_json: JSON_TYPE,
  diarized_json: JSON_TYPE,
  text: "text/plain; charset=utf-8",
  srt: "text/plain; charset=utf-8",
  vtt: "text/vtt; charset=utf-8",
};
const SOUND_TYPES: Readonly<Record<string, string>> = {
  mp3: "audio/mpeg",
  opus: "audio/ogg",
  aac: "audio/aac",
  flac: "audio/flac",
  wav: "audio/wav",
  pcm: "audio/pcm",
};

/** `POST /v1/audio/transcriptions`: a form with a file. */
export function parseTranscription(bytes: Uint8Array<ArrayBuffer>, contentType: string): Result<PassedCall, Failure> {
  const boundary = boundaryOf(contentType);
  if (boundary === null) return wrong(null, "Send the sound as multipart/form-data, with the fields model and file.");
  const form = parseForm(bytes, boundary);
  if (!form.ok) return form;
  const text = (name: string): string | null => {
    const part = form.value.get(name);
    return part && part.filename === null ? fieldText(bytes, part) : null;
  };
  const model = text("model") ?? "";
  const named = form.value.get("model");
  if (model === "" || !named) return wrong("model", "model: this field is missing");
  const file = form.value.get("file");
  if (!file || file.filename === null) return wrong("file", "file: this field is missing, or is no file");
  if (file.start === file.end) return wrong("file", "file: it is empty");
  const format = text("response_format") ?? "json";
  const answerType = TRANSCRIPT_TYPES[format];
  if (answerType === undefined) {
    return wrong("response_format", `response_format: must be one of ${Object.keys(TRANSCRIPT_TYPES).join(", ")}`);
  }
  const problem = temperatureProblem(text("temperature"));
  if (problem !== null) return wrong("temperature", `temperature: ${problem}`);
  return ok({
    model,
    promptTokensEstimate: soundTokens(file),
    answerType: text("stream") === "true" ? "text/event-stream; charset=utf-8" : answerType,
    contentType,
    body: (engineModel) => (engineModel === model ? bytes : withField(bytes, named, engineModel)),
  });
}

/** `POST /v1/audio/speech`: JSON, answered with sound. */
export function parseSpeech(bytes: Uint8Array<ArrayBuffer>): Result<PassedCall, Failure> {
  const scanned = scanBody(bytes);
  if (!scanned.ok) return scanned;
  const parsed = parseBody(openaiSpeechRequest(), scanned.value.parse());
  if (!parsed.ok) return parsed;
  const { model, input, response_format: format, stream_format: stream } = parsed.value;
  return ok({
    model,
    promptTokensEstimate: Math.ceil(Buffer.byteLength(input) / BYTES_PER_TOKEN),
    answerType: stream === "sse" ? "text/event-stream; charset=utf-8" : (SOUND_TYPES[format ?? "mp3"] ?? "audio/mpeg"),
    contentType: JSON_TYPE,
    body: (engineModel) => splice(scanned.value, { set: { model: JSON.stringify(engineModel) } }),
  });
}

/** What a transcription says of its tokens; null: nothing, or only how long the sound was. */
export function transcriptionUsage(
  answer: Uint8Array,
  { answerType }: Pick<PassedCall, "answerType">,
): TokenUsage | null {
  if (answerType !== JSON_TYPE) return null;
  const parsed = openaiTranscriptionUsage().safeParse(tryJson(new TextDecoder().decode(answer)));
  const usage = parsed.success ? parsed.data.usage : null;
  if (!usage) return null;
  return { promptTokens: usage.input_tokens, completionTokens: usage.output_tokens, cachedTokens: 0 };
}

function soundTokens({ start, end }: FormPart): number {
  return Math.ceil((end - start) / SOUND_BYTES_PER_TOKEN);
}

function temperatureProblem(text: string | null): string | null {
  if (text === null) return null;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  return value >= 0 && value <= 10 ? null : "must be a number from 0 to 10";
}

function wrong(field: string | null, message: string): Result<never, Failure> {
  return err({ kind: "invalid_request", field, message });
}
