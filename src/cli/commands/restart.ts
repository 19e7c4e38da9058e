import { err, ok } from "../../core/result.ts";
import { EXIT } from "../cli-failure.ts";
import { command } from "../command.ts";

export const restart = command({
  description:
    "A new process reads the configuration anew and takes over: it answers new requests at once, while the old one ends its running answers (60 s at most). Engines and models stay loaded. What variables and flags said at the start still holds, unless this command is given other ones; an empty variable takes one back. When the new process cannot start, the old one goes on. When no Flock runs here, one is started.",
  settings: true,
  examples: ["flock restart", "flock restart --log-level debug", "FLOCK_LOG_LEVEL= flock restart"],
  async run(context, out) {
    const config = await context.loadConfig();
    if (!config.ok) return config;
    const { leader, signal } = context;
    const member = await leader.membership.of(context.dataDir);
    if (!member.ok) return err({ exitCode: EXIT.failure, ...member.error });
    if (member.value !== null) {
      // Its leader sends requests elsewhere meanwhile: there is no interruption to be avoided.
      const message = "this machine is a worker, which has no clients of its own to be handed over";
      return err({ exitCode: EXIT.failure, message, mend: "flock down && flock up" });
    }
    const running = await leader.find(context.dataDir, signal);
    if (running?.stopping) {
      const message = `Flock (pid ${running.pid}) is just stopping`;
      return err({ exitCode: EXIT.failure, message, mend: "flock down && flock up   # waits until it has stopped" });
    }
    for (const warning of config.value.warnings) out.note(`! ${warning}`);
    const started = await leader.detach({
      config: config.value,
      settingFlags: context.settingFlags,
      line: (text: string) => out.line(text),
      takesOver: running !== null,
      signal,
    });
    return started.ok ? ok(undefined) : err({ exitCode: EXIT.failure, ...started.error });
  },
});
