/** Of the command line's own program; the desktop app starts it too. */
export const OLLAMA_START = "ollama serve";

/** For a machine that has no model yet: small, and it calls tools. */
export const OLLAMA_PULL = "ollama pull llama3.2";

/** Homebrew's formula lacks a part that Ollama cannot run a model without; its cask has it. */
export const OLLAMA_REINSTALL = "brew uninstall ollama && brew install --cask ollama";

/** Tags that run on the vendor's machines: prompts would leave the building. */
export function isCloudModel(name: string): boolean {
  return /[:-]cloud$/i.test(name);
}
