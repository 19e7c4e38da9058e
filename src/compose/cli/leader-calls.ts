import { signingKeys } from "../../cluster/link-key.ts";
import type { NodeCredential } from "../../cluster/node-credential.ts";
import type { LeaderCalls } from "../../cluster/node-endpoint.ts";
import { callSigner, newLife } from "../../cluster/signed-call.ts";
import { systemClock } from "../../core/clock.ts";
import { LeaderAudience } from "../../worker/leader-audience.ts";
import { leaderClient } from "../../worker/leader-client.ts";

/** Signed calls to a worker's leader for one command: beside the worker itself, which counts its own. */
export function callsToLeader({ node, leader, linkPrivateKey }: NodeCredential): LeaderCalls {
  const key = signingKeys(linkPrivateKey, leader.keys.linkKey).toLeader;
  const signer = callSigner({ node, key, clock: systemClock, life: newLife() });
  return leaderClient({
    certificate: leader.keys.certificate,
    addresses: () => leader.addresses,
    signer: () => signer,
    audience: new LeaderAudience(leader.keys.certificate),
    answered: () => undefined,
  });
}
