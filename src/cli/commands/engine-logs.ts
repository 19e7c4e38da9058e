import { err, ok } from "../../core/result.ts";
import { wait } from "../../core/wait.ts";
import { enginesApi } from "../api/engines.ts";
import { EXIT } from "../cli-failure.ts";
import { command } from "../command.ts";
import { engineArg, findEngine } from "../engine-choice.ts";

const FOLLOW_EVERY_MS = 500;

export const engineLogs = command({
  description: "What an engine that Flock started has printed. With -f it goes on until Ctrl-C.",
  args: { engine: engineArg },
  flags: {
    follow: { type: "boolean", summary: "Go on with what comes", short: "f" },
    lines: { type: "integer", summary: "How many lines to begin with", placeholder: "n", min: 1, max: 1000 },
  },
  examples: ["flock engine logs local/embedded", "flock engine logs local/embedded -f"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const api = enginesApi(server.value);
    const target = await findEngine(context.args.engine, api);
    if (!target.ok) return target;
    let piece = await api.logs(target.value, { lines: String(context.flags.lines ?? 100) });
    if (piece.ok && piece.value.next === null) {
      const { node, engine } = target.value;
      const message = `Flock has no log of ${node}/${engine}: it did not start that engine`;
      return err({ exitCode: EXIT.notFound, message, mend: "flock engine ls" });
    }
    let after: string | null = null;
    for (;;) {
      // Ctrl-C is how this ends: no failure.
      if (context.signal.aborted) return ok(undefined);
      if (piece.ok) {
        for (const line of piece.value.lines) out.line(line);
        after = piece.value.next ?? after;
      } else if (!context.flags.follow || piece.error.exitCode !== EXIT.notRunning) {
        return piece;
      }
      if (!context.flags.follow) return ok(undefined);
      await wait(FOLLOW_EVERY_MS, context.signal);
      if (context.signal.aborted) return ok(undefined);
      piece = await api.logs(target.value, { lines: "1000", ...(after === null ? {} : { after }) });
    }
  },
});
