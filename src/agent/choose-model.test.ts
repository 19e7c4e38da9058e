import { expect, test } from "bun:test";
import { chooseModel, modelIdOf, type ModelWish } from "./choose-model.ts";

const NONE: ModelWish = {
  wanted: "",
  modelsDir: "/models",
  bundledModel: "/app/flock-tiny.gguf",
  files: [],
  cwd: "/srv",
  isFile: () => false,
};
const TWO = [
  { path: "/models/Old-7B.gguf", modifiedMs: 1 },
  { path: "/models/new-1b.gguf", modifiedMs: 2 },
];

test("with nothing there the bundled model is served, and that is no problem", () => {
  expect(chooseModel(NONE)).toEqual({
    modelId: "flock-tiny",
    path: "/app/flock-tiny.gguf",
    bundled: true,
    problem: null,
  });
});

test("with no default the newest file is served", () => {
  expect(chooseModel({ ...NONE, files: TWO })).toMatchObject({
    modelId: "new-1b",
    path: "/models/new-1b.gguf",
    bundled: false,
  });
});

test("the default names a file in the models directory whatever its case", () => {
  const choice = chooseModel({ ...NONE, files: TWO, wanted: "old-7b" });
  expect(choice).toEqual({ modelId: "old-7b", path: "/models/Old-7B.gguf", bundled: false, problem: null });
});

test("the bundled model can be asked for by its name though others are there", () => {
  expect(chooseModel({ ...NONE, files: TWO, wanted: "flock-tiny" })).toMatchObject({ bundled: true, problem: null });
});

test("file: takes an absolute path, and a relative one from the working directory", () => {
  const files = new Set(["/elsewhere/A.gguf", "/srv/sub/b.gguf"]);
  const wish = { ...NONE, files: TWO, isFile: (path: string) => files.has(path) };
  expect(chooseModel({ ...wish, wanted: "file:/elsewhere/A.gguf" })).toMatchObject({ modelId: "a", problem: null });
  expect(chooseModel({ ...wish, wanted: "file:./sub/b.gguf" })).toMatchObject({
    path: "/srv/sub/b.gguf",
    problem: null,
  });
});

test("a default that is not there is served by another model, and named with the command that mends it", () => {
  const unknown = chooseModel({ ...NONE, files: TWO, wanted: "qwen3-8b" });
  expect(unknown.modelId).toBe("new-1b");
  expect(unknown.problem).toContain("qwen3-8b cannot be served (new-1b is instead)");
  expect(unknown.problem).toContain("flock model add qwen3-8b");
  const missing = chooseModel({ ...NONE, wanted: "file:gone.gguf" });
  expect(missing).toMatchObject({ modelId: "flock-tiny", bundled: true });
  expect(missing.problem).toContain("/srv/gone.gguf is not a file");
});

test("a split model is named without its part", () => {
  expect(modelIdOf("/m/Big-00001-of-00003.gguf")).toBe("big");
});
