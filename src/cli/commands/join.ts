import { err, ok, type Result } from "../../core/result.ts";
import { type CliFailure, EXIT, usageFailure } from "../cli-failure.ts";
import { type BaseContext, command } from "../command.ts";
import type { Out } from "../output.ts";

export const join = command({
  description:
    "Makes this machine a worker: it registers at the leader, starts its engines and serves what the leader sends. It then runs as `flock up` does, until Ctrl-C; `flock up` starts it again later. Without an argument it lists the leaders on this network.",
  args: { url: { summary: "The leader, with its join token: http://leader:8080?token=…", required: false } },
  flags: {
    name: { type: "text", summary: "What the node is called; else the host's name", placeholder: "name" },
    assign: {
      type: "boolean",
      default: true,
      summary: "Keep the leader from putting a model on this machine by itself",
    },
    detach: { type: "boolean", summary: "Run in the background; the log goes to <data dir>/logs/flock.log" },
  },
  settings: true,
  examples: [
    "flock join 'http://192.168.1.5:8080?token=…'",
    "FLOCK_JOIN_TOKEN=… flock join leader.local",
    "flock join leader.local < token.txt",
    "flock join",
  ],
  async run(context, out) {
    const { args, flags, leader, signal } = context;
    const config = await context.loadConfig();
    if (!config.ok) return config;
    const running = await leader.find(context.dataDir, signal);
    if (running !== null) {
      const message = `Flock already runs on this machine (pid ${running.pid}), with ${running.url}`;
      return err({ exitCode: EXIT.failure, message, mend: "flock down   # then flock join again" });
    }
    const member = await leader.membership.of(context.dataDir);
    if (!member.ok) return err({ exitCode: EXIT.failure, ...member.error });
    if (args.url === undefined) {
      if (member.value === null || member.value.removed === true) return await listLeaders(context, out);
    } else {
      const target = await readTarget(context, args.url, out);
      if (!target.ok) return target;
      if (member.value !== null && member.value.removed !== true && target.value.token === "") {
        const message = `this machine belongs to a cluster already: node ${member.value.node} of the leader at ${member.value.leader}`;
        return err({
          exitCode: EXIT.failure,
          message,
          mend: "flock up   # goes on as its worker; flock leave ends that",
        });
      }
      const name = flags.name ?? null;
      const joined = await leader.membership.join({
        ...target.value,
        config: config.value,
        name,
        assign: flags.assign,
        signal,
      });
      if (!joined.ok) return err({ exitCode: EXIT.failure, ...joined.error });
      out.line(`✔ joined the leader at ${joined.value.leader} as node ${joined.value.node}`);
    }
    for (const warning of config.value.warnings) out.note(`! ${warning}`);
    const request = {
      config: config.value,
      settingFlags: context.settingFlags,
      takesOver: false,
      line: (text: string) => out.line(text),
      signal,
    };
    const started = flags.detach ? await leader.detach(request) : await leader.run(request);
    return started.ok ? ok(undefined) : err({ exitCode: EXIT.failure, ...started.error });
  },
});

/** The token stands in the URL, in FLOCK_JOIN_TOKEN, or comes on standard input; it is cut off the URL at once. */
async function readTarget(
  context: BaseContext,
  text: string,
  out: Out,
): Promise<Result<{ readonly host: string; readonly token: string }, CliFailure>> {
  const [where = "", query] = text.split("?", 2);
  if (!/^(https?:\/\/)?[^\s/@]+\/?$/i.test(where))
    return err(usageFailure("that is neither a host nor a URL of a leader", "flock join 'http://leader:8080?token=…'"));
  const host = new URL(/^https?:\/\//i.test(where) ? where : `http://${where}`).hostname.replace(/^\[|\]$/g, "");
  const written = query === undefined ? null : new URLSearchParams(query).get("token");
  const given = written ?? context.env["FLOCK_JOIN_TOKEN"] ?? "";
  if (given !== "") return ok({ host, token: given.trim() });
  const member = await context.leader.membership.of(context.dataDir);
  if (member.ok && member.value !== null && member.value.removed !== true) return ok({ host, token: "" });
  out.note("reading the join token from standard input …");
  const read = (await context.stdin()).trim();
  if (read !== "") return ok({ host, token: read });
  return err(
    usageFailure("there is no join token", "flock token create --node   # at the leader: prints the whole line"),
  );
}

async function listLeaders(context: BaseContext, out: Out): Promise<Result<void, CliFailure>> {
  out.note("looking for leaders on this network …");
  const seen = await context.leader.membership.discover(context.signal);
  if (seen.length === 0) {
    const message = "no leader announces itself on this network";
    return err({
      exitCode: EXIT.failure,
      message,
      mend: "flock token create --node   # at the leader: prints the line for this machine",
    });
  }
  out.table(seen, [
    { title: "LEADER", cell: ({ name }) => name },
    { title: "URL", cell: ({ url }) => url },
    { title: "VERSION", cell: ({ version }) => version },
  ]);
  out.note("To join one: flock token create --node at the leader prints the line for this machine.");
  return ok(undefined);
}
