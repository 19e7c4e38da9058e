/** Where a reply's pieces go: one client's connection. */
export interface ReplySink {
  /** Takes all of it. False: the client reads slowly; wait for `drained` before the next. */
  write(bytes: Uint8Array): boolean;
  /** This connection speaks HTTP/1.1's chunked coding and takes whole chunks of it as they are. */
  readonly takesChunks?: boolean;
  /** As `write`, for such chunks. */
  writeChunks?(chunks: Uint8Array): boolean;
  /** Once, with what is left. */
  end(last: Uint8Array | null): void;
}

/** A body that comes piece by piece, pushed as it comes. */
export interface ReplyStream {
  /** Once; from then on the sink is written to. */
  flow(sink: ReplySink): void;
  /** The sink has room again. */
  drained(): void;
  /** The client is gone: the sink is not written to any more. */
  hangUp(): void;
}

/** What a client gets, before it is known how its connection speaks. */
export interface Reply {
  readonly status: number;
  /** Names in lower case; without the framing, which is the connection's. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of this reply alone; where it is there, `headers` are one object for many replies, and do not change. */
  readonly own?: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string | ReplyStream;
}
