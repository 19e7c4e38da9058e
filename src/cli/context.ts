import { dataDirectory } from "../config/data-directory.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { ConfigProblem } from "../config/problem.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { AdminServer } from "./admin-client.ts";
import { BROKEN_OFF, type CliFailure, EXIT, usageFailure } from "./cli-failure.ts";
import type { CliIo } from "./cli-io.ts";
import type { BaseContext } from "./command.ts";
import { terminalPrompts } from "./pick.ts";

export interface Given {
  readonly settingFlags: Readonly<Record<string, string>>;
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly json: boolean;
}

/** Builds what a command is given. Nothing is loaded, read or asked before the command wants it. */
export function createContext(io: CliIo, given: Given): BaseContext {
  const { env, cwd, home } = io;
  const input = { env, cwd, home, flags: given.settingFlags };
  const dataDir = dataDirectory(input).path;
  const inCi = env["CI"] !== undefined && env["CI"] !== "" && env["CI"] !== "false";
  const interactive = io.stdinIsTTY && io.stdout.isTTY && !given.json && !inCi;
  const prompts = io.prompts ?? terminalPrompts;
  const load = async (): Promise<Result<LoadedConfig, CliFailure>> => {
    const { loadConfig } = await import("../config/load.ts");
    const loaded = await loadConfig(input);
    return loaded.ok ? loaded : err(configFailure(loaded.error));
  };
  return {
    env,
    cwd,
    home,
    dataDir,
    clock: io.clock,
    signal: io.signal,
    leader: io.leader,
    url: given.url,
    interactive,
    settingFlags: given.settingFlags,
    loadConfig: load,
    async admin(): Promise<Result<AdminServer, CliFailure>> {
      const [{ findServer }, { connect, findToken }] = await Promise.all([
        import("./server-address.ts"),
        import("./admin-client.ts"),
      ]);
      if (given.url === undefined) {
        const leader = await io.leader.asWorker(dataDir);
        if (!leader.ok) return err({ exitCode: EXIT.failure, ...leader.error });
        if (leader.value !== null) {
          const way = leader.value;
          const address = { url: way.url, certain: true };
          return connect({ address, token: null, signal: io.signal, way });
        }
      }
      const address = await findServer({ url: given.url, dataDir, loadConfig: load });
      if (!address.ok) return address;
      return connect({ address: address.value, token: findToken(given.token, env, dataDir), signal: io.signal });
    },
    stdin: () => (io.stdinIsTTY || io.readStdin === undefined ? Promise.resolve("") : io.readStdin()),
    async confirm(question) {
      if (!interactive) return err(usageFailure(`${question} Nobody is here to answer`, "Add --yes"));
      return (await prompts.confirm(question)) === true ? ok(undefined) : err(BROKEN_OFF);
    },
    async choose(question, choices, otherwise) {
      if (!interactive || choices.length === 0) return err(otherwise);
      const answer = await prompts.choose(question, choices);
      return answer === null ? err(BROKEN_OFF) : ok(answer);
    },
  };
}

/** All problems, as one failure; a usage error when only flags were wrong. */
function configFailure(problems: readonly ConfigProblem[]): CliFailure {
  const [first, ...others] = problems.map(({ where, message, mend }) => ({ message: `${where}: ${message}`, mend }));
  const exitCode = problems.every((problem) => problem.source === "flag") ? EXIT.usage : EXIT.failure;
  return { exitCode, code: "config", message: first?.message ?? "", mend: first?.mend ?? "", also: others };
}
