/** Just enough of DNS (RFC 1035) and of service discovery over it (RFC 6763) for one question and its answer. */

const SERVICE = "_flock._tcp.local";
const TYPE = { PTR: 12, TXT: 16, SRV: 33 } as const;
const CLASS_IN = 1;
/** Of a question: answer me alone. Of a record: it is the only one of its name. */
const TOP_BIT = 0x8000;
const TTL_S = 120;
const RESPONSE = 0x8400;
/** A name may point back into its message; one that does so more often is made to keep us busy. */
const MAX_POINTERS = 20;

/** A leader as it announces itself. Its address is where the announcement comes from. */
export interface AnnouncedLeader {
  /** The host's name, for people. */
  readonly name: string;
  /** Clients' port. */
  readonly port: number;
  readonly scheme: "http" | "https";
  readonly version: string;
}

/** Asks for every leader; whoever is one answers to the sender. */
export function encodeQuestion(): Uint8Array {
  return Buffer.concat([header(0, 1, 0), encodeName(SERVICE), uint16(TYPE.PTR), uint16(CLASS_IN | TOP_BIT)]);
}

/** True: somebody asks for leaders. */
export function asksForLeaders(message: Uint8Array): boolean {
  const bytes = Buffer.from(message);
  if (bytes.length < 12 || (bytes.readUInt16BE(2) & 0x8000) !== 0) return false;
  let at = 12;
  for (let left = bytes.readUInt16BE(4); left > 0; left--) {
    const name = readName(bytes, at);
    if (name === null || name.next + 4 > bytes.length) return false;
    const type = bytes.readUInt16BE(name.next);
    if (name.text.toLowerCase() === SERVICE && (type === TYPE.PTR || type === 255)) return true;
    at = name.next + 4;
  }
  return false;
}

/** `id`: of the question, which whoever asks outside the protocol's own port compares. */
export function encodeAnswer(leader: AnnouncedLeader, id: number): Uint8Array {
  const label = leader.name.replaceAll(/[^\w -]/g, "-").slice(0, 50);
  const instance = `${label}.${SERVICE}`;
  const host = `${label.replaceAll(/[^\w-]/g, "-")}.local`;
  const facts = [`scheme=${leader.scheme}`, `version=${leader.version}`].map((text) => {
    const bytes = Buffer.from(text.slice(0, 255));
    return Buffer.concat([Uint8Array.of(bytes.length), bytes]);
  });
  return Buffer.concat([
    header(id, 0, 3),
    recordOf(SERVICE, TYPE.PTR, CLASS_IN, encodeName(instance)),
    recordOf(
      instance,
      TYPE.SRV,
      CLASS_IN | TOP_BIT,
      Buffer.concat([uint16(0), uint16(0), uint16(leader.port), encodeName(host)]),
    ),
    recordOf(instance, TYPE.TXT, CLASS_IN | TOP_BIT, Buffer.concat(facts)),
  ]);
}

/** Null: it is no leader's answer. */
export function decodeAnswer(message: Uint8Array): AnnouncedLeader | null {
  const bytes = Buffer.from(message);
  if (bytes.length < 12 || (bytes.readUInt16BE(2) & 0x8000) === 0 || bytes.readUInt16BE(4) !== 0) return null;
  const count = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  let at = 12;
  let found: { name: string; port: number } | null = null;
  const facts = new Map<string, string>();
  for (let left = count; left > 0; left--) {
    const name = readName(bytes, at);
    if (name === null || name.next + 10 > bytes.length) return null;
    const type = bytes.readUInt16BE(name.next);
    const start = name.next + 10;
    const end = start + bytes.readUInt16BE(name.next + 8);
    if (end > bytes.length) return null;
    if (name.text.toLowerCase().endsWith(`.${SERVICE}`)) {
      if (type === TYPE.SRV && end - start >= 7)
        found = { name: name.text.slice(0, -SERVICE.length - 1), port: bytes.readUInt16BE(start + 4) };
      if (type === TYPE.TXT) for (const [key, value] of readFacts(bytes.subarray(start, end))) facts.set(key, value);
    }
    at = end;
  }
  if (found === null) return null;
  const scheme = facts.get("scheme") === "https" ? "https" : "http";
  return { ...found, scheme, version: (facts.get("version") ?? "").slice(0, 40) };
}

function readFacts(bytes: Buffer): [string, string][] {
  const facts: [string, string][] = [];
  for (let at = 0; at < bytes.length; at += 1 + (bytes[at] ?? 0)) {
    const text = bytes.toString("utf8", at + 1, at + 1 + (bytes[at] ?? 0));
    const equals = text.indexOf("=");
    if (equals > 0) facts.push([text.slice(0, equals), text.slice(equals + 1)]);
  }
  return facts;
}

function readName(bytes: Buffer, from: number): { readonly text: string; readonly next: number } | null {
  const labels: string[] = [];
  let at = from;
  let next = -1;
  for (let pointers = 0; at < bytes.length;) {
    const length = bytes[at] ?? 0;
    if (length === 0) return { text: labels.join("."), next: next < 0 ? at + 1 : next };
    if ((length & 0xc0) === 0xc0) {
      if (at + 1 >= bytes.length || ++pointers > MAX_POINTERS) return null;
      if (next < 0) next = at + 2;
      at = bytes.readUInt16BE(at) & 0x3fff;
      continue;
    }
    if (length > 63 || at + 1 + length > bytes.length) return null;
    labels.push(bytes.toString("utf8", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return null;
}

function encodeName(name: string): Uint8Array {
  const labels =
    name.endsWith(SERVICE) && name !== SERVICE
      ? [name.slice(0, -SERVICE.length - 1), ...SERVICE.split(".")]
      : name.split(".");
  const parts = labels.map((label) => {
    const bytes = Buffer.from(label);
    return Buffer.concat([Uint8Array.of(bytes.length), bytes]);
  });
  return Buffer.concat([...parts, Uint8Array.of(0)]);
}

function recordOf(name: string, type: number, kind: number, data: Uint8Array): Uint8Array {
  const ttl = Buffer.alloc(4);
  ttl.writeUInt32BE(TTL_S);
  return Buffer.concat([encodeName(name), uint16(type), uint16(kind), ttl, uint16(data.length), data]);
}

function header(id: number, questions: number, answers: number): Uint8Array {
  const flags = answers > 0 ? RESPONSE : 0;
  return Buffer.concat([id, flags, questions, answers, 0, 0].map(uint16));
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of((value >> 8) & 0xff, value & 0xff);
}
