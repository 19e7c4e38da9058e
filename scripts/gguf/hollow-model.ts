import { truncateSync } from "node:fs";
import { layerInfos, metadata, type Shape } from "./tiny-model.ts";
import { tinyVocabulary } from "./tiny-vocabulary.ts";
import { encodeHead, tensorBytes, writeWhole } from "./write-gguf.ts";

/**
 * A model of any size without weights: its head says what a big one's does, and the rest of the file is a hole that
 * takes no room on the disk. For what must be decided before a model is loaded.
 */
export async function writeHollowModel(path: string, size: { layers: number; embedding: number }): Promise<number> {
  const { layers, embedding } = size;
  const vocabulary = tinyVocabulary([]);
  const shape: Shape = {
    layers,
    embedding,
    feedForward: embedding * 3,
    heads: 32,
    kvHeads: 8,
    headSize: embedding / 32,
  };
  const lengths = [embedding, vocabulary.tokens.length];
  const tensors = [
    { name: "token_embd.weight", shape: lengths },
    ...layerInfos(shape),
    { name: "output.weight", shape: lengths },
  ];
  const head = encodeHead(metadata(vocabulary, shape, { name: "hollow", contextTokens: 131_072 }), tensors);
  const bytes = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), head.length);
  await writeWhole(path, head);
  truncateSync(path, bytes);
  return bytes;
}
