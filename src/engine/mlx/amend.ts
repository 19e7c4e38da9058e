import type { JsonValue } from "../../core/chat-request.ts";
import type { Failure } from "../../core/failure.ts";
import type { Replica } from "../../core/replica.ts";
import { err, ok, type Result } from "../../core/result.ts";
import type { BodyEdits, BodyFields } from "../driver.ts";
import { NO_STREAMED_LOGPROBS, refusedFeature, roomFor, surelyTooLong, unsupported } from "./limits.ts";

/** Members with which a client would load files of the server's machine. */
const LOADING = ["adapters", "draft_model", "num_draft_tokens"] as const;
/** The server takes an explicit null for a wrong type, where other servers take it for nothing. */
const NULLABLE = [
  "stream",
  "max_tokens",
  "max_completion_tokens",
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "presence_penalty",
  "frequency_penalty",
  "logit_bias",
  "logprobs",
  "top_logprobs",
  "seed",
  "tools",
  "chat_template_kwargs",
] as const;

/** What a body that is passed through must be changed in, so that nothing of it is passed over in silence. */
export function amendMlxBody(body: BodyFields, replica: Replica): Result<BodyEdits, Failure> {
  const loading = LOADING.find((name) => given(body, name));
  if (loading !== undefined) return err(unsupported(loading, `${loading}: an administrator decides what is loaded`));
  if (seesImages(body)) return err(unsupported("images", "images on MLX-LM"));
  const choice = choiceOf(body.json("tool_choice"));
  const refused = refusedFeature({ toolChoice: choice, output: kindOf(body.json("response_format")) });
  if (refused) return err(refused);

  const promptCharacters = body.raw("messages")?.length ?? 0;
  const tooLong = surelyTooLong(promptCharacters, replica);
  if (tooLong) return err(tooLong);

  const set: Record<string, string> = {};
  const remove: string[] = NULLABLE.filter((name) => body.raw(name) === "null");
  const adjusted: string[] = [];
  if (choice === "none" && given(body, "tools")) {
    remove.push("tools");
    adjusted.push("tools withheld");
  }
  if (body.raw("logprobs") === "true" && body.raw("stream") === "true") adjusted.push(NO_STREAMED_LOGPROBS);
  const limit = Number(body.raw("max_completion_tokens") ?? body.raw("max_tokens") ?? 0) || 0;
  // A limit beyond the context is taken out before: it means as long as it gets.
  if (limit === 0 || limit >= replica.contextTokens) {
    set.max_tokens = String(roomFor(promptCharacters, replica));
    remove.push("max_completion_tokens");
  }
  const effort = body.json("reasoning_effort");
  if (typeof effort === "string" && !given(body, "chat_template_kwargs")) {
    set.chat_template_kwargs = JSON.stringify({ enable_thinking: effort !== "none" });
  }
  return ok({ set, remove, adjusted });
}

function given(body: BodyFields, name: string): boolean {
  const raw = body.raw(name);
  return raw !== undefined && raw !== "null";
}

function choiceOf(choice: JsonValue | undefined): string | undefined {
  if (typeof choice === "object" && choice !== null) return "tool";
  return typeof choice === "string" ? choice : undefined;
}

function kindOf(format: JsonValue | undefined): string {
  if (typeof format !== "object" || format === null || Array.isArray(format)) return "text";
  return typeof format.type === "string" ? format.type : "text";
}

/** Looked for in the text: messages may weigh megabytes, and such a part has one of two spellings. */
function seesImages(body: BodyFields): boolean {
  return /"type"\s*:\s*"(?:image_url|input_audio)"/.test(body.raw("messages") ?? "");
}
