// npm, and the rule that only one of it works on `node_modules` at a time. Plain Node, as its caller.
import { spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const LOOK_MS = 200;

/**
 * Runs npm to its end; answers with what went wrong, or null. A signal that ends this process ends npm first: one that
 * works on would be in the way of the next.
 */
export function runNpm(args, cwd) {
  return new Promise((resolve) => {
    const mend = `npm ${args.join(" ")}`;
    let stoppedBy = null;
    let child = null;
    const stop = (signal) => {
      stoppedBy ??= signal;
      if (child?.pid !== undefined) killGroup(child.pid);
    };
    const handlers = ["SIGINT", "SIGTERM", "SIGHUP"].map((signal) => [signal, () => stop(signal)]);
    // Before npm is there: a signal between the two would leave it behind.
    for (const [signal, handler] of handlers) process.on(signal, handler);
    const done = (problem) => {
      for (const [signal, handler] of handlers) process.off(signal, handler);
      if (stoppedBy === null) return resolve(problem);
      console.error("✗ the installation was broken off\n  the next start begins it anew");
      process.exit(stoppedBy === "SIGINT" ? 130 : 143);
    };
    // In a group of its own, so that whatever npm has started ends with it.
    child = spawn("npm", args, { cwd, stdio: ["ignore", "ignore", "pipe"], detached: true });
    if (child.pid !== undefined) holdLock(cwd, child.pid);
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (said += text));
    child.on("error", () =>
      done({ what: "npm cannot be started", mend: "install Node.js 20 or newer together with npm" }),
    );
    child.on("close", (code, signal) => {
      if (code === 0) return done(null);
      if (signal) return done({ what: `npm was ended by ${signal}`, mend });
      const lines = said.split("\n").filter((line) => line.startsWith("npm error"));
      if (stoppedBy === null) console.error(lines.slice(0, 12).join("\n"));
      done({ what: "the packages could not be installed", mend: `see above; then: ${mend}` });
    });
  });
}

function killGroup(pid) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

/** Runs `work` while nobody else who asks does so in this directory. */
export async function withInstallLock(cwd, work) {
  let told = false;
  while (!takeLock(cwd)) {
    if (!told) console.error("▶ another process is installing the packages; waiting for it …");
    told = true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  const letGo = () => rmSync(lockOf(cwd), { force: true });
  process.once("exit", letGo);
  await work();
  process.off("exit", letGo);
  letGo();
}

function lockOf(cwd) {
  return join(cwd, ".flock-installing");
}

function takeLock(cwd) {
  try {
    writeFileSync(lockOf(cwd), String(process.pid), { flag: "wx" });
    return true;
  } catch (cause) {
    // A directory that cannot be written to: npm says it better.
    if (cause.code !== "EEXIST") return true;
  }
  if (holders(cwd).some(isAlive)) return false;
  rmSync(lockOf(cwd), { force: true });
  return false;
}

/** Also npm's own: it works on when its starter was killed. */
function holdLock(cwd, npm) {
  try {
    writeFileSync(lockOf(cwd), `${process.pid} ${npm}`);
  } catch {
    // As above.
  }
}

function holders(cwd) {
  try {
    return readFileSync(lockOf(cwd), "utf8").split(" ").map(Number).filter(Boolean);
  } catch {
    return [];
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return cause.code === "EPERM";
  }
}
