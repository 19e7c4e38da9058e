import type { ChatEvent } from "../core/chat-event.ts";
import type { Failure } from "../core/failure.ts";
import type { TokenUsage } from "../core/token-usage.ts";
import type { RelayProgress } from "./relay.ts";

/** What all translated streams keep count of. */
export class EventProgress implements RelayProgress {
  contentSeen = false;
  outputTokens = 0;
  usage: TokenUsage | null = null;
  finished = false;
  failure: Failure | null = null;

  /** For an answer that is ended early: the engine's count, or what was seen of it. */
  get counted(): TokenUsage {
    return this.usage ?? { promptTokens: 0, completionTokens: this.outputTokens, cachedTokens: 0 };
  }

  see(event: ChatEvent): void {
    switch (event.type) {
      case "text":
      case "thinking":
      case "refusal":
      case "tool_call":
      case "tool_arguments":
        this.contentSeen = true;
        this.outputTokens += 1;
        break;
      case "usage":
        this.usage = event.usage;
        break;
      case "done":
        this.finished = true;
        break;
      case "failed":
        this.failure = event.failure;
        break;
      case "start":
      case "thinking_signature":
        break;
    }
  }
}
