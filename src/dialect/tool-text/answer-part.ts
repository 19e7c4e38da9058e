/** What an answer is made of, in the order of its coming. Texts are never empty. */
export type AnswerPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "thinking"; readonly text: string }
  /** Opens call `index`; calls come one after the other. */
  | { readonly type: "tool_call"; readonly index: number; readonly name: string }
  | { readonly type: "tool_arguments"; readonly index: number; readonly json: string }
  /** `whole: false`: the answer ended, or went wrong, amid the arguments. `raw` is all that the model wrote of it. */
  | { readonly type: "tool_call_end"; readonly index: number; readonly whole: boolean; readonly raw: string };

/** A stage between the model's text and the parts. Pure: any split of the text gives the same parts, joined. */
export interface AnswerStage {
  push(text: string): AnswerPart[];
  /** The text is over: what was held back. */
  end(): AnswerPart[];
}

/** How many last characters of `text` may be the start of one of `marks`. */
export function heldBack(text: string, marks: readonly string[]): number {
  let longest = 0;
  for (const mark of marks) {
    for (let length = Math.min(mark.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(mark.slice(0, length))) longest = length;
    }
  }
  return longest;
}
