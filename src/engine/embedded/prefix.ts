import type { LlamaContextSequence, Token } from "node-llama-cpp";

/** Where the state of a sequence was kept, in tokens from its beginning, rising. */
const KEPT = new WeakMap<LlamaContextSequence, number[]>();

/** Cuts a sequence back to what it shares with the prompt, and gives the length of that; never evaluates anything. */
export async function keepPrefix(sequence: LlamaContextSequence, tokens: Token[]): Promise<number> {
  // The last token is always evaluated: its logits are what the answer begins with.
  const shared = Math.min(sequence.compareContextTokens(tokens).firstDifferentIndex, tokens.length - 1);
  if (shared === sequence.nextTokenIndex) return shared;
  const length = cuttableLength(sequence, shared);
  if (length === 0) {
    await sequence.clearHistory();
    KEPT.delete(sequence);
    return 0;
  }
  await sequence.eraseContextTokenRanges([{ start: length, end: sequence.nextTokenIndex }]);
  KEPT.set(
    sequence,
    (KEPT.get(sequence) ?? []).filter((kept) => kept <= length),
  );
  return length;
}

/**
 * Recurrent state cannot be cut, and a sliding window has dropped what lies before it: there only a state that was kept
 * can be gone back to. Asked for more, the library evaluates the whole prefix again in one go, which no signal stops.
 */
function cuttableLength(sequence: LlamaContextSequence, shared: number): number {
  if (!sequence.needsCheckpoints) return shared;
  const { isRecurrent, isHybrid } = sequence.model.fileInsights;
  if (!isRecurrent && !isHybrid && shared > Math.max(0, sequence.stateCellsStartIndex)) return shared;
  const kept = KEPT.get(sequence) ?? [];
  return (
    kept.findLast((length) => length <= shared && sequence.getRestoreToPrefixIndexEvaluationSize(length - 1) === 0) ?? 0
  );
}

/** Makes the present end a place that can be gone back to, where the model's state needs that. */
export async function keepState(sequence: LlamaContextSequence): Promise<void> {
  if (!sequence.needsCheckpoints || sequence.nextTokenIndex === 0) return;
  await sequence.takeCheckpoint();
  const kept = KEPT.get(sequence) ?? [];
  if (kept.at(-1) !== sequence.nextTokenIndex) KEPT.set(sequence, [...kept, sequence.nextTokenIndex]);
}
