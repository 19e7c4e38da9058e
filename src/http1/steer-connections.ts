const SOL_SOCKET = 1;
const SO_ATTACH_REUSEPORT_CBPF = 51;
/** BPF_RET | BPF_K: the program is its answer. */
const RETURN_CONSTANT = 0x06;

/**
 * Of two sockets that listen at one port (SO_REUSEPORT) makes the kernel give every new connection to the one that came
 * second. Without it the first one cannot go without a loss: what it has not accepted when it closes is reset. Linux
 * alone; false where it cannot be done.
 */
export async function steerToSecond(listener: object): Promise<boolean> {
  if (process.platform !== "linux") return false;
  const fd = "fd" in listener && typeof listener.fd === "number" ? listener.fd : -1;
  if (fd < 0) return false;
  const { dlopen, FFIType, ptr } = await import("bun:ffi");
  // struct sock_filter { u16 code; u8 jt, jf; u32 k; } and struct sock_fprog { u16 len; struct sock_filter *filter; }.
  const filter = new DataView(new ArrayBuffer(8));
  filter.setUint16(0, RETURN_CONSTANT, true);
  filter.setUint32(4, 1, true);
  const program = new DataView(new ArrayBuffer(16));
  program.setUint16(0, 1, true);
  const { i32, u32, ptr: pointer } = FFIType;
  for (const library of ["libc.so.6", "libc.so", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`]) {
    try {
      const libc = dlopen(library, { setsockopt: { args: [i32, i32, i32, pointer, u32], returns: i32 } });
      program.setBigUint64(8, BigInt(ptr(new Uint8Array(filter.buffer))), true);
      const at = ptr(new Uint8Array(program.buffer));
      const failed = libc.symbols.setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, at, program.byteLength);
      libc.close();
      return failed === 0;
    } catch {
      // Not the C library of this system.
    }
  }
  return false;
}
