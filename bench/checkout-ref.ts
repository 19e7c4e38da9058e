import { existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";

/** The tree of a commit in `dir`, with this checkout's packages and models: another build of Flock to run beside it. */
export function checkOutRef(root: string, ref: string, dir: string): void {
  mkdirSync(dir, { recursive: true });
  const archive = Bun.spawnSync(["git", "-C", root, "archive", "--format=tar", ref], { stderr: "pipe" });
  if (archive.exitCode !== 0) throw new Error(`git does not know ${ref}: ${archive.stderr.toString().trim()}`);
  const tar = Bun.spawnSync(["tar", "-x", "-C", dir], { stdin: archive.stdout });
  if (tar.exitCode !== 0) throw new Error(`the tree of ${ref} could not be unpacked`);
  symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
  // Made at install, not kept in git.
  mkdirSync(join(dir, "models"), { recursive: true });
  for (const file of readdirSync(join(root, "models"))) {
    const link = join(dir, "models", file);
    if (file.endsWith(".gguf") && !existsSync(link)) symlinkSync(join(root, "models", file), link);
  }
}
