import { describe, expect, test } from "bun:test";
import { userInfo } from "node:os";
import { describeAddress, storeAddress } from "./address.ts";

function postgres(dsn: string) {
  const address = storeAddress(dsn, "/data");
  if (!address.ok) throw new Error(address.error.message);
  if (address.value.kind !== "postgres") throw new Error(address.value.path);
  return address.value;
}

test("a file is found from the data directory", () => {
  const path = (dsn: string) => storeAddress(dsn, "/data");
  expect(path("")).toEqual({ ok: true, value: { kind: "sqlite", path: "/data/state.db" } });
  expect(path("sqlite://other.db")).toEqual({ ok: true, value: { kind: "sqlite", path: "/data/other.db" } });
  expect(path("/srv/x.db")).toEqual({ ok: true, value: { kind: "sqlite", path: "/srv/x.db" } });
});

describe("a PostgreSQL URL", () => {
  test.each([
    ["postgres://u:p@db/flock", { user: "u", password: "p", host: "db", port: 5432, database: "flock" }],
    ["postgresql://u:p%40%2F@db:6432/a%20b", { password: "p@/", port: 6432, database: "a b" }],
    ["postgres://u:a@b:c#d@db/flock", { user: "u", password: "a@b:c#d", host: "db" }],
    ["postgres://u@[::1]:1234/flock", { host: "::1", port: 1234, password: "" }],
    ["postgres://u@/flock?host=/run/postgresql&port=5433", { host: "/run/postgresql", port: 5433, user: "u" }],
    ["postgres://%2Frun%2Fpostgresql/flock", { host: "/run/postgresql", user: userInfo().username }],
    ["postgres://db?user=u&password=p%26&dbname=d", { user: "u", password: "p&", database: "d" }],
    ["postgres://u@db", { database: "u", sslMode: "prefer", channelBinding: "disable" }],
    ["postgres://u@db/d?sslmode=verify-full&sslrootcert=/ca.pem", { sslMode: "verify-full", sslRootCert: "/ca.pem" }],
    [
      "postgres://u@db/d?options=-csearch_path%3Da,b%20-c%20work_mem=1MB",
      { options: { search_path: "a,b", work_mem: "1MB" } },
    ],
  ])("%s", (dsn, expected) => {
    expect(postgres(dsn)).toMatchObject(expected);
  });

  test.each([
    ["postgres://u:hunter2@db:port/flock", "host and port"],
    ["postgres://u:hunter2@db:99999/flock", "port is not a number"],
    ["postgres://u:hun/ter2@db/flock", "host and port"],
    ["postgres://u:hunter2%zz@db/flock", "%25"],
    ["postgres://u:hunter2@a,b/flock", "one host"],
    ["postgres://u:hunter2@db/flock?sslmode=on", "sslmode is none of"],
    ["postgres://u:hunter2@db/flock?connect_timeout=3", "connect_timeout is not known"],
    ["postgres://u:what?hunter2@db/flock", "host and port"],
    ["postgres:u:hunter2@db", "of the form"],
    ["postgres://u:hunter2@db/flock?options=hunter2", "options is not of the form"],
  ])("that cannot be used is refused without repeating it: %s", (dsn, why) => {
    const refused = storeAddress(dsn, "/data");
    if (refused.ok) throw new Error(describeAddress(refused.value));
    expect(refused.error).toMatchObject({ kind: "unsupported_dsn", mend: expect.stringContaining("flock up") });
    expect(refused.error.message).toContain(why);
    expect(JSON.stringify(refused.error)).not.toContain("hunter2");
  });

  test("is described without user and password", () => {
    expect(describeAddress(postgres("postgres://u:p@[::1]/flock"))).toBe("PostgreSQL database flock at [::1]:5432");
  });
});
