/** A server under test, running. */
export interface Subject {
  readonly name: string;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The processes that serve: their CPU and memory are counted. */
  readonly pids: readonly number[];
  /** Processes that run beside it without serving; for the notes. */
  readonly besidePids: readonly number[];
  stop(): Promise<void>;
}

export interface SubjectKind {
  readonly name: string;
  /** Null: can be started here. Else why not. */
  missing(): string | null;
  start(at: SubjectPlace): Promise<Subject>;
}

export interface SubjectPlace {
  /** The mock engine's port on loopback. */
  readonly enginePort: number;
  readonly models: readonly string[];
  /** An empty directory of its own. */
  readonly dir: string;
  /** The command with the core it may use in front. */
  readonly pin: (command: readonly string[]) => string[];
}

export const CHAT_PATH = "/v1/chat/completions";
