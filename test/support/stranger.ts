// A scripted llama-server in a process of its own, so that it can be stopped and killed. Prints where it listens.
import { startScriptedEngine } from "./scripted-engine.ts";

const engine = await startScriptedEngine({ model: "tiny", slots: 4 });
engine.script = { text: "one two three four five six seven eight", tokenDelayMs: 20 };
console.log(engine.url);
