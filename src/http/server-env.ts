/** What `Bun.serve` hands to the app beside the request; absent in tests that call the app directly. */
export interface ServerEnv {
  readonly Bindings: {
    /** The address of the peer. */
    readonly peer?: (request: Request) => string | null;
  };
}
