import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { childrenOf } from "../process-cost.ts";
import { freePort, spawnServer } from "../spawn-server.ts";
import { CHAT_PATH, type SubjectKind } from "../subject.ts";

/** A plain relay that looks at nothing: what any gateway on this machine can reach at best. */
export const nginx: SubjectKind = {
  name: "nginx",
  missing: () => (binary() === null ? "nginx is not installed: apt-get install nginx" : null),
  async start({ enginePort, dir, pin }) {
    const port = await freePort();
    for (const folder of ["logs", "temp"]) mkdirSync(join(dir, folder), { recursive: true });
    const file = join(dir, "nginx.conf");
    writeFileSync(file, configuration(dir, port, enginePort));
    const command = pin([binary() ?? "nginx", "-p", dir, "-c", file, "-e", join(dir, "logs/error.log")]);
    const server = await spawnServer(command, port);
    return {
      name: "nginx",
      port,
      path: CHAT_PATH,
      headers: {},
      pids: [server.pid, ...childrenOf(server.pid)],
      besidePids: [],
      stop: () => server.stop(),
    };
  },
};

/** Debian keeps it where only root's PATH leads. */
function binary(): string | null {
  return Bun.which("nginx", { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/local/sbin` });
}

function configuration(dir: string, port: number, enginePort: number): string {
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `  ${name}_temp_path ${join(dir, "temp", name)};`,
  );
  return `daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid ${join(dir, "nginx.pid")};
events { worker_connections 8192; }
http {
${temp.join("\n")}
  access_log off;
  keepalive_requests 100000000;
  keepalive_timeout 600s;
  upstream engine {
    server 127.0.0.1:${enginePort};
    keepalive 2048;
    keepalive_requests 100000000;
    keepalive_timeout 600s;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    client_max_body_size 64m;
    client_body_buffer_size 128k;
    location / {
      proxy_pass http://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
`;
}
