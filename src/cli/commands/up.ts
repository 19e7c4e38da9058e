import { err, ok } from "../../core/result.ts";
import { EXIT } from "../cli-failure.ts";
import { command } from "../command.ts";

export const up = command({
  description:
    "Starts the leader: gateway, dashboard and the agent with its engine. In the foreground it runs until Ctrl-C; the first start makes the admin key and shows it once. When Flock runs already, its state is shown instead.",
  flags: {
    detach: { type: "boolean", summary: "Run in the background; the log goes to <data dir>/logs/flock.log" },
    wizard: {
      type: "boolean",
      default: true,
      summary: "Offer no starter model on the first start (not in this version yet)",
    },
    "auto-pull": {
      type: "boolean",
      default: true,
      summary: "Do not pull the default model when it is missing (not in this version yet)",
    },
    "take-over": { type: "boolean", summary: "Take the place of a Flock that runs here, without an interruption" },
  },
  settings: true,
  examples: [
    "flock up",
    "flock up --detach",
    "flock up --listen 127.0.0.1:9000 --router-default-model file:./my-model.gguf",
    "FLOCK_DEFAULT_MODEL=llama-3.2-1b flock up --no-wizard",
  ],
  async run(context, out) {
    const config = await context.loadConfig();
    if (!config.ok) return config;
    const { leader, signal } = context;
    const running = await leader.find(context.dataDir, signal);
    const takesOver = running !== null && context.flags["take-over"];
    if (running?.stopping) {
      const message = `Flock (pid ${running.pid}) is just stopping`;
      return err({ exitCode: EXIT.failure, message, mend: "flock down && flock up   # waits until it has stopped" });
    }
    if (running && !takesOver) {
      out.line(`Flock is already running at ${running.url} (pid ${running.pid}, version ${running.version}).`);
      out.line("  flock status   shows more; flock down stops it");
      return ok(undefined);
    }
    for (const warning of config.value.warnings) out.note(`! ${warning}`);
    const request = {
      config: config.value,
      settingFlags: context.settingFlags,
      takesOver,
      line: (text: string) => out.line(text),
      signal,
    };
    const started = context.flags.detach ? await leader.detach(request) : await leader.run(request);
    return started.ok ? ok(undefined) : err({ exitCode: EXIT.failure, ...started.error });
  },
});
