/** Run inside a namespace: passes TCP on from one address to another, each piece later by so many ms. */
const [, , from = "", to = "", delay = "0"] = process.argv;
const place = (text: string) => {
  const at = text.lastIndexOf(":");
  return { hostname: text.slice(0, at), port: Number(text.slice(at + 1)) };
};
const later = (run: () => void): void => void setTimeout(run, Number(delay));
interface Side {
  other: Bun.Socket<Side> | null;
  early: Uint8Array[];
}
const handlers: Bun.SocketHandler<Side> = {
  data(socket, chunk) {
    const copy = new Uint8Array(chunk);
    if (socket.data.other === null) socket.data.early.push(copy);
    else later(() => void socket.data.other?.write(copy));
  },
  close: (socket) => later(() => void socket.data.other?.end()),
};
Bun.listen<Side>({
  ...place(from),
  socket: {
    ...handlers,
    open(socket) {
      socket.data = { other: null, early: [] };
      void Bun.connect<Side>({
        ...place(to),
        data: { other: socket, early: [] },
        socket: {
          ...handlers,
          open(other) {
            socket.data.other = other;
            for (const chunk of socket.data.early) later(() => void other.write(chunk));
          },
        },
      }).catch(() => socket.end());
    },
  },
});
console.log("relaying");
