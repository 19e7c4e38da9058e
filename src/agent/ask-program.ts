const MAX_OUTPUT_CHARS = 1_000_000;

/** What a program prints; null when it is not installed, fails, or takes longer than the limit. */
export async function askProgram(
  command: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    const child = Bun.spawn([...command], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      killSignal: "SIGKILL",
    });
    const [text, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
    return code === 0 && text.length <= MAX_OUTPUT_CHARS ? text : null;
  } catch {
    return null;
  }
}
