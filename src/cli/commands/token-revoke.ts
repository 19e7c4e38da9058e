import { ok } from "../../core/result.ts";
import { tokensApi } from "../api/tokens.ts";
import { command } from "../command.ts";
import { findKey, pickKey } from "../key-choice.ts";

export const tokenRevoke = command({
  description: "The key stops working at once. This cannot be undone.",
  args: { key: { summary: "Id or name of the key", required: true, pick: pickKey } },
  flags: { yes: { type: "boolean", summary: "Do not ask" } },
  examples: ["flock token revoke key_0a1b2c3d4e5f6a7b", "flock token revoke alice --yes"],
  async run(context, out) {
    const server = await context.admin();
    if (!server.ok) return server;
    const api = tokensApi(server.value);
    const listed = await api.list();
    if (!listed.ok) return listed;
    const found = await findKey(context.args.key, listed.value.tokens, "flock token revoke", context);
    if (!found.ok) return found;
    const { id, name } = found.value;
    if (found.value.revoked_at !== null) {
      out.line(`✔ Key ${id} (${name}) was revoked already`, "good");
      return ok(undefined);
    }
    if (!context.flags.yes) {
      const sure = await context.confirm(`Revoke ${id} (${name})? Whoever uses it is locked out at once.`);
      if (!sure.ok) return sure;
    }
    const revoked = await api.revoke(id);
    if (!revoked.ok) return revoked;
    out.line(`✔ Revoked ${id} (${name})`, "good");
    return ok(undefined);
  },
});
