type Environment = Readonly<Record<string, string | undefined>>;

/** What an engine or the agent needs of the environment, and no more: a change of it would restart them. */
export const ENGINE_ENV =
  /^(PATH|HOME|USER|LANG|LC_.*|TMPDIR|LD_LIBRARY_PATH|DYLD_.*|CUDA_.*|NVIDIA_.*|HIP_.*|ROCR_.*|GGML_.*|VK_.*|XDG_RUNTIME_DIR|OLLAMA_.*|VLLM_(?!API_KEY$).*|HF_HOME|HF_HUB_CACHE|MLX_.*)$/;

/** The part of an environment that engines and the agent get. */
export function engineEnvOf(env: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && ENGINE_ENV.test(entry[0]),
    ),
  );
}
