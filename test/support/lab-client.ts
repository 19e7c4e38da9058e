/** Run inside a namespace: asks what its one argument says, and prints what came, a line of JSON a piece. */
const { url, key, body, lines } = JSON.parse(process.argv[2] ?? "{}") as {
  url: string;
  key: string;
  body: object;
  lines: boolean;
};
const say = (value: object): void => console.log(JSON.stringify(value));
try {
  const answer = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  say({ status: answer.status, replica: answer.headers.get("x-flock-replica") });
  if (lines) for await (const piece of answer.body ?? []) say({ piece: Buffer.from(piece).toString() });
  else say({ text: await answer.text() });
} catch (error) {
  say({ failed: error instanceof Error ? error.message : String(error) });
}
