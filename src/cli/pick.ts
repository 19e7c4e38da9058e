import type { Choice } from "./command.ts";
import { printable } from "./output.ts";

/** How a person at a terminal is asked. Null: they broke off (Escape, Ctrl-C). */
export interface Prompts {
  choose(question: string, choices: readonly Choice[]): Promise<string | null>;
  confirm(question: string): Promise<boolean | null>;
}

/** Imported when somebody is asked and not before: it costs more than most commands. Hangs without a terminal. */
export const terminalPrompts: Prompts = {
  async choose(question, choices) {
    const { autocomplete, isCancel } = await import("@clack/prompts");
    // Names come from clients: they must not steer the terminal.
    const options = choices.map(({ value, label, hint }) => ({
      value,
      label: printable(label),
      ...(hint === undefined ? {} : { hint: printable(hint) }),
    }));
    const answer = await autocomplete({ message: printable(question), options, maxItems: 10 });
    return isCancel(answer) ? null : answer;
  },
  async confirm(question) {
    const { confirm, isCancel } = await import("@clack/prompts");
    const answer = await confirm({ message: printable(question), initialValue: false });
    return isCancel(answer) ? null : answer;
  },
};
