import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { checkOutRef } from "../../bench/checkout-ref.ts";
import { OLDEST_NODE_PROTOCOL } from "../../src/cluster/node-protocol.ts";
import { ROOT, temporaryDirectory } from "./start-flock.ts";

/** Another build of Flock, with this one's packages. */
export interface OlderBuild extends Disposable {
  /** Of its program. */
  readonly entry: string;
}

/** The last commit that speaks the node protocol before today's, or why a test cannot have it, with what mends that. */
export type OlderCommit = { readonly commit: string } | { readonly why: string };

const WHERE = "src/cluster/node-protocol.ts";
const HISTORY = "its commit is not in this clone's history: git fetch --unshallow";

/** Taken from the repository's history, so that whoever raises the protocol next need not name it. */
export function findOlderCommit(): OlderCommit {
  const speaks = (ref: string, protocol: number): boolean =>
    git("show", `${ref}:${WHERE}`)?.includes(`export const NODE_PROTOCOL = ${protocol};\n`) === true;
  if (!existsSync(join(ROOT, ".git"))) return { why: "needs the repository with its history: git clone" };
  if (git("rev-parse", "HEAD") === null) return { why: "git does not read this repository: git status says why" };
  // The commit that raised the number; before it is committed that is this tree.
  const raised = git(
    "log",
    "-1",
    "--format=%H",
    `-G^export const NODE_PROTOCOL = ${OLDEST_NODE_PROTOCOL + 1};`,
    "--",
    WHERE,
  );
  const ref = raised === null || raised.trim() === "" ? "HEAD" : `${raised.trim()}^`;
  const commit = git("rev-parse", "--verify", "--quiet", `${ref}^{commit}`)?.trim();
  if (!commit || !speaks(commit, OLDEST_NODE_PROTOCOL)) return { why: HISTORY };
  const other = Object.entries(packagesOf(git("show", `${commit}:package.json`) ?? "{}")).find(
    ([name, version]) => packagesOf(readFileSync(join(ROOT, "package.json"), "utf8"))[name] !== version,
  );
  return other === undefined ? { commit } : { why: `its packages are not today's: ${other.join(" ")}` };
}

export function checkOutOlder(commit: string): OlderBuild {
  const dir = temporaryDirectory();
  checkOutRef(ROOT, commit, join(dir, "flock"));
  return {
    entry: join(dir, "flock/src/main.ts"),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}

function packagesOf(text: string): Readonly<Record<string, string>> {
  return (JSON.parse(text) as { dependencies?: Record<string, string> }).dependencies ?? {};
}

/** Null: it failed. */
function git(...args: string[]): string | null {
  const run = Bun.spawnSync(["git", "-C", ROOT, ...args], { stderr: "ignore" });
  return run.exitCode === 0 ? run.stdout.toString() : null;
}
