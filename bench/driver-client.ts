import { join } from "node:path";
import type { LoadPlan, LoadResult } from "./load-plan.ts";

export interface LoadDriver {
  run(plan: LoadPlan): Promise<LoadResult>;
  stop(): Promise<void>;
}

type Pin = (command: readonly string[]) => string[];

export function startLoadDriver(pin: Pin): LoadDriver {
  const child = Bun.spawn(pin([process.execPath, join(import.meta.dir, "load-driver.ts")]), {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const nextLine = lines(child.stdout);
  return {
    async run(plan) {
      await child.stdin.write(`${JSON.stringify(plan)}\n`);
      await child.stdin.flush();
      return JSON.parse(await nextLine()) as LoadResult;
    },
    async stop() {
      await child.stdin.end();
      await child.exited;
    },
  };
}

export interface EngineProcess {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

export async function startEngineProcess(pin: Pin, models: readonly string[]): Promise<EngineProcess> {
  const child = Bun.spawn(pin([process.execPath, join(import.meta.dir, "mock-engine.ts"), models.join(",")]), {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const port = Number(await lines(child.stdout)());
  return {
    port,
    pid: child.pid,
    async stop() {
      child.kill();
      await child.exited;
    },
  };
}

function lines(stream: ReadableStream<Uint8Array>): () => Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  return async () => {
    while (!text.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error("the process ended");
      text += decoder.decode(value, { stream: true });
    }
    const end = text.indexOf("\n");
    const line = text.slice(0, end);
    text = text.slice(end + 1);
    return line;
  };
}
