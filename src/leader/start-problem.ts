/** Why Flock cannot start: one line that says what, and the command that mends it. */
export interface StartProblem {
  readonly kind:
    | "already_running"
    | "port_busy"
    | "unwritable"
    | "disk_full"
    | "store"
    | "agent"
    | "config"
    | "no_rights"
    | "address";
  readonly message: string;
  readonly mend: string;
}
