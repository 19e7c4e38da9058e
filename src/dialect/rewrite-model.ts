/**
 * Puts the name that the client asked for into passing bytes of an OpenAI answer, in place of the engine's own. Takes
 * whole frames or a whole body. Bytes without a match come back as they are. Inside strings quotes are escaped, so only
 * a real JSON member matches.
 */
export function modelRewriter(from: string, to: string): (bytes: Uint8Array) => Uint8Array {
  if (from === to) return asItIs;
  const name = JSON.stringify(from);
  // Compact writers and Python's `json.dumps`. Engines keep to one form: the one that matched is tried first.
  let forms = [Buffer.from(`"model":${name}`), Buffer.from(`"model": ${name}`)];
  const replacement = Buffer.from(`"model":${JSON.stringify(to)}`);
  return (bytes) => {
    for (const form of forms) {
      const rewritten = replaceAll(bytes, form, replacement);
      if (!rewritten) continue;
      if (form !== forms[0]) forms = forms.toReversed();
      return rewritten;
    }
    return bytes;
  };
}

function replaceAll(bytes: Uint8Array, form: Buffer, replacement: Buffer): Uint8Array | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const pieces: Uint8Array[] = [];
  let kept = 0;
  for (let at = buffer.indexOf(form); at >= 0; at = buffer.indexOf(form, at + form.length)) {
    // A key such as "x\"model" ends with the same bytes.
    if (buffer[at - 1] === 0x5c) continue;
    pieces.push(bytes.subarray(kept, at), replacement);
    kept = at + form.length;
  }
  if (kept === 0) return null;
  pieces.push(bytes.subarray(kept));
  return Buffer.concat(pieces);
}

function asItIs(bytes: Uint8Array): Uint8Array {
  return bytes;
}
