import { ok } from "../../core/result.ts";
import { type Engine, enginesApi } from "../api/engines.ts";
import { type Command, command } from "../command.ts";
import { engineArg, findEngine } from "../engine-choice.ts";

interface Act {
  readonly action: "start" | "stop" | "restart";
  readonly description: string;
  readonly said: (engine: Engine) => string;
}

function engineAct({ action, description, said }: Act): Command {
  return command({
    description,
    args: { engine: engineArg },
    json: true,
    examples: [`flock engine ${action} local/embedded`],
    async run(context, out) {
      const server = await context.admin();
      if (!server.ok) return server;
      const api = enginesApi(server.value);
      const target = await findEngine(context.args.engine, api);
      if (!target.ok) return target;
      const done = await api.act({ ...target.value, action });
      if (!done.ok) return done;
      out.document(done.value, () => out.line(`✔ ${said(done.value.engine)}`, "good"));
      return ok(undefined);
    },
  });
}

export const engineStart = engineAct({
  action: "start",
  description: "Starts an engine that was stopped, with the model that it had. Watch it with: flock engine ls",
  said: ({ node, id }) => `${node}/${id} is starting; see: flock engine ls`,
});

export const engineStop = engineAct({
  action: "stop",
  description:
    "Answers that run there get a few seconds to end. It stays stopped until it is started again, also when Flock is; requests for its models are told so.",
  said: ({ node, id }) =>
    `${node}/${id} is stopped, and stays so when Flock starts again; start it with: flock engine start ${node}/${id}`,
});

export const engineRestart = engineAct({
  action: "restart",
  description:
    "Ends an engine and starts it again, out of a crash loop too. Requests without an answer yet wait for it.",
  said: ({ node, id }) => `${node}/${id} is starting again; see: flock engine ls`,
});
