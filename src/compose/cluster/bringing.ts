import type { Link, LinkRequest } from "../../cluster/link.ts";
import type { AssignParts } from "../../cluster/registry/assign-model.ts";
import { bringModel, type BringParts } from "../../cluster/registry/bring-model.ts";
import type { NodeRegistry } from "../../cluster/registry/node-registry.ts";
import { serveModelFile } from "../../cluster/registry/serve-model-file.ts";
import type { NodeLinks } from "../../cluster/transport/node-links.ts";
import type { Config } from "../../config/settings.ts";
import { err, ok } from "../../core/result.ts";
import type { Log } from "../../telemetry/log.ts";
import { answerStream } from "../../worker/answer-stream.ts";
import { ModelPuller, PULL_TIMES } from "../../worker/model-puller.ts";
import { withPulls } from "../../worker/worker-files.ts";

export interface BringingParts {
  readonly registry: NodeRegistry;
  readonly link: NodeLinks;
  /** For what takes minutes. */
  readonly patient: Pick<Link, "call">;
  readonly localNode: string;
  readonly config: Config;
  readonly log: Log;
}

/** Models' files from node to node, this machine among them. */
export interface Bringing {
  readonly bring: AssignParts["bring"];
  /** A part of a model's file to a worker; null: the request is for something else. */
  serveFile(request: Request): Promise<Response | null>;
  /** What comes to this machine stops where it is; the next leader goes on from there. */
  rest(): void;
}

export function composeBringing({ registry, link, patient, localNode, config, log }: BringingParts): Bringing {
  const files = {
    localNode,
    link: {
      call: link.call.bind(link),
      fetch: (node: string, service: string, request: LinkRequest, signal: AbortSignal) =>
        link.fetch(node, service, request, signal),
    },
    toStream: (answer: Parameters<typeof answerStream>[0]) => answerStream(answer, () => undefined),
  };
  // A worker brings models by itself; for the leader's own machine this process does, in small pieces.
  let puller: ModelPuller | null = null;
  const newPuller = (): ModelPuller =>
    new ModelPuller({
      modelsDir: config.storage.models_dir,
      calls: {
        async fetch(request, signal) {
          const { method, headers, url } = request;
          const answer = await serveModelFile(files, new Request(url, { method, headers, signal }));
          return answer === null ? err({ kind: "unreachable", message: "no such file", tried: [] }) : ok(answer);
        },
      },
      dial: () => Promise.resolve(err("it is the leader's own machine")),
      log: (message) => log.info(message),
      times: PULL_TIMES,
    });
  const here = withPulls(
    (operation, signal) => link.call(localNode, operation, signal),
    () => (puller ??= newPuller()),
  );
  const bringing: BringParts = {
    link: {
      call: (node, operation, signal) =>
        node === localNode ? here(operation, signal) : patient.call(node, operation, signal),
    },
    directWay: (caller, node, service, digest) => link.directWay(caller, node, service, digest),
    nameOf: (node) => registry.get(node)?.name ?? node,
    localNode,
  };
  return {
    bring: (file, to, signal, progress) => bringModel(bringing, file, to, signal, progress),
    serveFile: (request) => serveModelFile(files, request),
    rest() {
      puller?.stop();
      puller = null;
    },
  };
}
