/** For tests only: a `.tar.gz` as release archives are, and as nobody should make one. */
export interface TarMember {
  readonly path: string;
  readonly text?: string;
  readonly mode?: number;
  readonly directory?: true;
  readonly link?: string;
  readonly device?: true;
}

const BLOCK = 512;

export function makeTarGz(members: readonly TarMember[]): Uint8Array<ArrayBuffer> {
  const blocks: Uint8Array[] = [];
  for (const member of members) {
    const content = new TextEncoder().encode(member.text ?? "");
    if (member.path.length > 100) {
      const name = new TextEncoder().encode(`${member.path}\0`);
      blocks.push(header("././@LongLink", "L", name.length, 0o644, ""), padded(name));
    }
    const type = member.directory ? "5" : member.link === undefined ? (member.device ? "3" : "0") : "2";
    blocks.push(header(member.path.slice(0, 100), type, content.length, member.mode ?? 0o644, member.link ?? ""));
    if (content.length > 0) blocks.push(padded(content));
  }
  blocks.push(new Uint8Array(2 * BLOCK));
  return Bun.gzipSync(Buffer.concat(blocks));
}

function header(path: string, type: string, size: number, mode: number, link: string): Uint8Array {
  const bytes = new Uint8Array(BLOCK);
  const put = (text: string, at: number): void => bytes.set(new TextEncoder().encode(text), at);
  const octal = (value: number, length: number): string => value.toString(8).padStart(length - 1, "0");
  put(path, 0);
  put(octal(mode, 8), 100);
  put(octal(size, 12), 124);
  put("        ", 148);
  put(type, 156);
  put(link, 157);
  put("ustar\u000000", 257);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  put(`${octal(sum, 7)}\u0000 `, 148);
  return bytes;
}

function padded(content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(content.length / BLOCK) * BLOCK);
  bytes.set(content);
  return bytes;
}
