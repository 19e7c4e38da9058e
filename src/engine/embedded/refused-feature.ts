import { notSupported, type EngineError } from "./engine-error.ts";

/** Fields that change the answer in a way this engine cannot, unless their value asks for nothing. */
const FEATURES: Readonly<
  Record<string, { readonly what: string; readonly asksForNothing: (value: unknown) => boolean }>
> = {
  functions: { what: "functions are", asksForNothing: isEmptyList },
  function_call: { what: "a forced function is", asksForNothing: isNoneOrAuto },
  n: { what: "more than one choice is", asksForNothing: (value) => value === 1 },
  audio: { what: "audio output is", asksForNothing: () => false },
  modalities: {
    what: "output other than text is",
    asksForNothing: (value) => Array.isArray(value) && value.every((modality) => modality === "text"),
  },
};

const PARTS: Readonly<Record<string, string>> = {
  image_url: "images are",
  input_audio: "audio input is",
  file: "files are",
};

export function isRefusable(field: string): boolean {
  return Object.hasOwn(FEATURES, field);
}

/** The first thing asked for that cannot be done; null when there is none. */
export function refusedFeature(body: Readonly<Record<string, unknown>>): EngineError | null {
  for (const [field, feature] of Object.entries(FEATURES)) {
    const value = body[field];
    if (value !== undefined && value !== null && !feature.asksForNothing(value))
      return notSupported(field, feature.what);
  }
  const messages = Array.isArray(body["messages"]) ? (body["messages"] as readonly unknown[]) : [];
  for (const [index, message] of messages.entries()) {
    const content = read(message, "content");
    for (const part of Array.isArray(content) ? (content as readonly unknown[]) : []) {
      const type = read(part, "type");
      if (typeof type === "string" && Object.hasOwn(PARTS, type)) {
        return notSupported(`messages.${index}.content`, PARTS[type] ?? type);
      }
    }
  }
  return null;
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function isNoneOrAuto(value: unknown): boolean {
  return value === "none" || value === "auto";
}

function read(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}
