/** What a machine is doing at the moment. */
export interface MachineLoad {
  /** Share of all cores, 0 to 1; null: not measured yet. */
  readonly cpu: number | null;
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  readonly gpus: readonly GpuLoad[];
}

export interface GpuLoad {
  readonly name: string;
  /** 0 to 1; this and the rest are null where no tool tells. */
  readonly busy: number | null;
  readonly memoryBytes: number | null;
  readonly usedMemoryBytes: number | null;
  readonly celsius: number | null;
}
