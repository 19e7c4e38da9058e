/** Token types of the "llama" (SentencePiece) tokenizer in GGUF. */
export const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, byte: 6 } as const;

export interface TinyVocabulary {
  readonly tokens: readonly string[];
  readonly types: readonly number[];
  readonly bos: number;
  /** `<|im_end|>`: ends an answer. */
  readonly endOfTurn: number;
  /** A line feed; every template ends its generation prompt with one. */
  readonly lineFeed: number;
  /** The tokens of `pieces`, in their order. */
  readonly pieceIds: readonly number[];
}

/** SentencePiece writes a space as U+2581. */
const SPACE = "\u2581";

/**
 * Control tokens, all 256 bytes (so that any text has tokens), printable ASCII, `pieces`, and `words`: what prompts hold
 * many of, each one token. Padded to a multiple of 32, which the matrix kernels like.
 */
export function tinyVocabulary(pieces: readonly string[], words: readonly string[] = []): TinyVocabulary {
  const ids = new Map<string, number>();
  const types: number[] = [];
  const add = (token: string, type: number): number => {
    const known = ids.get(token);
    if (known !== undefined) return known;
    ids.set(token, types.length);
    types.push(type);
    return types.length - 1;
  };
  add("<unk>", TOKEN_TYPE.unknown);
  const bos = add("<s>", TOKEN_TYPE.control);
  add("</s>", TOKEN_TYPE.control);
  for (let byte = 0; byte < 256; byte++) add(byteToken(byte), TOKEN_TYPE.byte);
  add("<|im_start|>", TOKEN_TYPE.control);
  const endOfTurn = add("<|im_end|>", TOKEN_TYPE.control);
  add(SPACE, TOKEN_TYPE.normal);
  for (let code = 33; code < 127; code++) add(String.fromCharCode(code), TOKEN_TYPE.normal);
  const pieceIds = pieces.map((piece) => add(piece.replaceAll(" ", SPACE), TOKEN_TYPE.normal));
  // Tokens are merged pair by pair: every beginning of a word must be one.
  for (const word of words) {
    for (let end = 2; end <= word.length; end++) add(word.slice(0, end).replaceAll(" ", SPACE), TOKEN_TYPE.normal);
  }
  while (types.length % 32 !== 0) add(`<|pad_${types.length}|>`, TOKEN_TYPE.control);
  return { tokens: [...ids.keys()], types, bos, endOfTurn, lineFeed: add(byteToken(10), TOKEN_TYPE.byte), pieceIds };
}

function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}
