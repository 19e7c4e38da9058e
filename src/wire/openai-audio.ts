import { z } from "zod";
import { later } from "./later.ts";

/** Body of `POST /v1/audio/speech`. */
export const openaiSpeechRequest = later(() =>
  z.looseObject({
    model: z.string().min(1),
    input: z.string().min(1, "an empty text has no sound"),
    voice: z.union([z.string().min(1), z.looseObject({ id: z.string().min(1) })]),
    response_format: z.enum(["mp3", "opus", "aac", "flac", "wav", "pcm"]).nullish(),
    speed: z.number().min(0.25, "must be at least 0.25").max(4, "must be at most 4").nullish(),
    stream_format: z.enum(["audio", "sse"]).nullish(),
    instructions: z.string().nullish(),
  }),
);

/** What a transcription says of its cost, by tokens or by time. */
export const openaiTranscriptionUsage = later(() =>
  z.looseObject({
    usage: z
      .looseObject({ input_tokens: z.number().int().nonnegative(), output_tokens: z.number().int().nonnegative() })
      .nullish(),
  }),
);
