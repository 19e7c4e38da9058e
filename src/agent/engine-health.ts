/** What an engine says on its health path, which needs no secret. */
export interface EngineHealth {
  readonly status: string;
  /** Random per child: another process on the same port has another one, or none. Null: this engine has none. */
  readonly instance: string | null;
}

/** Null when nothing answered in time, or something that is no engine of ours. The status code does not matter. */
export async function askHealth(
  endpoint: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<EngineHealth | null> {
  try {
    const answer = await ask(`${endpoint}/health`, timeoutMs, signal);
    const body: unknown = await answer.json();
    if (typeof body !== "object" || body === null || !("status" in body) || !("instance" in body)) return null;
    const { status, instance } = body;
    return typeof status === "string" && typeof instance === "string" ? { status, instance } : null;
  } catch {
    return null;
  }
}

/** The same of an engine that is not Flock's own program: only the status code counts. */
export async function askStatus(url: string, timeoutMs: number, signal: AbortSignal): Promise<EngineHealth | null> {
  try {
    const answer = await ask(url, timeoutMs, signal);
    await answer.body?.cancel();
    return { status: answer.status === 200 ? "ok" : `status ${answer.status}`, instance: null };
  } catch {
    return null;
  }
}

async function ask(url: string, timeoutMs: number, signal: AbortSignal): Promise<Response> {
  return await fetch(url, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    // A pooled connection would outlive the engine, and a reused one that is reset is silently asked again.
    keepalive: false,
    redirect: "error",
  });
}
