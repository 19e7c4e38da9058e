/** What an engine child says on `GET /health`, which needs no secret. */
export interface EngineHealth {
  readonly status: string;
  /** Random per child: another process on the same port has another one, or none. */
  readonly instance: string;
}

/** Null when nothing answered in time, or something that is no engine of ours. The status code does not matter. */
export async function askHealth(
  endpoint: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<EngineHealth | null> {
  try {
    const answer = await fetch(`${endpoint}/health`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      // A pooled connection would outlive the engine, and a reused one that is reset is silently asked again.
      keepalive: false,
      redirect: "error",
    });
    const body: unknown = await answer.json();
    if (typeof body !== "object" || body === null || !("status" in body) || !("instance" in body)) return null;
    const { status, instance } = body;
    return typeof status === "string" && typeof instance === "string" ? { status, instance } : null;
  } catch {
    return null;
  }
}
