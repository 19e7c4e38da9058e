import { encodeGguf } from "./write-gguf.ts";

const RANK = 4;

/** The bytes of a LoRA adapter for the random tiny model: it turns the queries of the first layer around. */
export function encodeTinyAdapter({ embedding = 64 }: { readonly embedding?: number } = {}): Uint8Array {
  // Any fixed numbers do, as long as they are large enough to be heard.
  const wave = (length: number, step: number): Float32Array =>
    Float32Array.from({ length }, (_, at) => 3 * Math.sin(1 + at * step));
  return encodeGguf(
    [
      ["general.type", { type: "string", value: "adapter" }],
      ["general.architecture", { type: "string", value: "llama" }],
      ["general.name", { type: "string", value: "tiny adapter" }],
      ["adapter.type", { type: "string", value: "lora" }],
      ["adapter.lora.alpha", { type: "f32", value: 64 }],
    ],
    ["attn_q", "ffn_up"].flatMap((part) => {
      const out = part === "attn_q" ? embedding : FEED_FORWARD;
      return [
        { name: `blk.0.${part}.weight.lora_a`, shape: [embedding, RANK], data: wave(embedding * RANK, 0.7) },
        { name: `blk.0.${part}.weight.lora_b`, shape: [RANK, out], data: wave(RANK * out, 0.3) },
      ];
    }),
  );
}

const FEED_FORWARD = 128;
