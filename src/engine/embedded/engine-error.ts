/** Errors in the shape of llama-server, so that one reader (`llama-cpp/read-error.ts`) understands both engines. */
export interface EngineError {
  readonly code: number;
  readonly message: string;
  readonly type:
    | "invalid_request_error"
    | "authentication_error"
    | "exceed_context_size_error"
    | "not_found_error"
    | "not_supported_error"
    | "unavailable_error"
    | "server_error";
  /** The field of the request that is meant. */
  readonly param?: string;
  readonly n_prompt_tokens?: number;
  readonly n_ctx?: number;
}

export function invalidRequest(message: string, param?: string): EngineError {
  return { code: 400, message, type: "invalid_request_error", ...(param === undefined ? {} : { param }) };
}

export function notSupported(param: string, what: string): EngineError {
  return { code: 501, message: `${what} not supported by the embedded engine`, type: "not_supported_error", param };
}

export function contextExceeded(promptTokens: number, contextTokens: number, approximate = false): EngineError {
  return {
    code: 400,
    message:
      `request (${approximate ? "about " : ""}${promptTokens} tokens) exceeds the available context size ` +
      `(${contextTokens} tokens), try increasing it`,
    type: "exceed_context_size_error",
    n_prompt_tokens: promptTokens,
    n_ctx: contextTokens,
  };
}

export function unavailable(message: string): EngineError {
  return { code: 503, message, type: "unavailable_error" };
}

export function notFound(): EngineError {
  return { code: 404, message: "File Not Found", type: "not_found_error" };
}

export function unauthenticated(): EngineError {
  return { code: 401, message: "Invalid API Key", type: "authentication_error" };
}

/** For what should not happen. The cause goes to the log; the client learns that it was the engine. */
export function serverError(): EngineError {
  return {
    code: 500,
    message: "the model could not be evaluated, the engine's log has the cause",
    type: "server_error",
  };
}

export function errorResponse(error: EngineError): Response {
  return Response.json({ error }, { status: error.code });
}
