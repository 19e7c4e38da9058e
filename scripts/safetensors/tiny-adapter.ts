import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HIDDEN } from "./tiny-model.ts";
import { encodeSafetensors } from "./write-safetensors.ts";

const RANK = 8;

/** A LoRA adapter of the tiny model that changes nothing: what it says proves that the adapter was taken, no more. */
export function writeTinyAdapter(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const at = "base_model.model.model.layers.0.self_attn.q_proj";
  const zeros = (name: string, rows: number, columns: number) => ({
    name: `${at}.${name}.weight`,
    shape: [rows, columns],
    values: new Float32Array(rows * columns),
  });
  const tensors = [zeros("lora_A", RANK, HIDDEN), zeros("lora_B", HIDDEN, RANK)];
  writeFileSync(join(folder, "adapter_model.safetensors"), encodeSafetensors(tensors));
  const config = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    r: RANK,
    lora_alpha: RANK,
    lora_dropout: 0,
    bias: "none",
    target_modules: ["q_proj"],
    base_model_name_or_path: "tiny",
    inference_mode: true,
  };
  writeFileSync(join(folder, "adapter_config.json"), JSON.stringify(config));
}
