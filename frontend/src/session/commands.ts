/** What the page asks the server to do (collab/commands.py). */

export type Command =
  | {
      readonly type: "run_cells";
      readonly cells: readonly string[] | "all";
      readonly sources?: Readonly<Record<string, string>>;
    }
  | { readonly type: "cancel_runs"; readonly cells: readonly string[] | "all" }
  | { readonly type: "interrupt" }
  | { readonly type: "restart"; readonly run_all?: boolean; readonly clear_outputs?: boolean }
  | { readonly type: "start_runtime" }
  | { readonly type: "shut_down_runtime" }
  | { readonly type: "clear_outputs"; readonly cells: readonly string[] | "all" }
  | { readonly type: "answer_input"; readonly cell: string; readonly value: string }
  | { readonly type: "extend_runtime" }
  | { readonly type: "reset_runtime"; readonly folder?: boolean }
  | { readonly type: "reset_all_runtimes"; readonly folder?: boolean }
  | {
      readonly type: "choose_runtime";
      /** Name of a kernelspec. The wishes are texts ("0.25", "any", "4GiB"); empty or absent: the gateway's default. */
      readonly kernel: string;
      readonly gpus?: string;
      readonly gpu_memory?: string;
      readonly memory?: string;
      readonly cpus?: string;
      readonly venv?: boolean;
      readonly restart?: boolean;
    }
  | { readonly type: "attach_runtime"; readonly url: string; readonly token: string }
  | { readonly type: "detach_runtime" }
  /** `state` is a state vector in base64, `sources` maps cells to the SHA-256 of their text. */
  | { readonly type: "compare"; readonly state: string; readonly sources: Readonly<Record<string, string>> }
  /** `args` and `kwargs` are JSON texts. */
  | {
      readonly type: "invoke";
      readonly cell: string;
      readonly name: string;
      readonly args: string;
      readonly kwargs: string;
    }
  /** With `value` a JSON text, or with `error`. */
  | { readonly type: "colab_reply"; readonly reply: number; readonly value?: string; readonly error?: string }
  | { readonly type: "complete"; readonly code: string; readonly cursor: number }
  | { readonly type: "inspect"; readonly code: string; readonly cursor: number; readonly detail?: 0 | 1 };
