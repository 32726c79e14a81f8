/** The Output widget: shows what the server captured for it, drawn as the outputs of a cell are. */
import { DOMWidgetView } from "@jupyter-widgets/base";
import { OutputModel } from "@jupyter-widgets/output";
import { chooseMime } from "../../src/outputs/mimes";
import { createOutputArea } from "../area";
import type { FrameOutput } from "../protocol";
import type { Manager } from "./manager";
import type { Fields } from "./protocol";

interface Shown {
  key: number;
  output: FrameOutput;
  text: string;
}

export function outputClasses({ drawing }: Manager): object {
  class OutputView extends DOMWidgetView {
    override render(): void {
      super.render();
      this.el.classList.add("jupyter-widgets", "widget-output");
      const area = createOutputArea(this.el, { ...drawing, onIdle: () => undefined });
      const shown: Shown[] = [];
      let nextKey = 0;
      const show = (): void => {
        const outputs = frameOutputs(this.model.get("outputs"));
        for (const [index, output] of outputs.entries()) {
          const text = JSON.stringify(output);
          const before = shown[index];
          if (before === undefined) {
            shown.push({ key: nextKey, output, text });
            area.take({ v: 1, t: "output", op: "add", key: nextKey, output });
            nextKey += 1;
          } else if (before.text !== text) {
            const tail = appended(before.output, output);
            const { key } = before;
            Object.assign(before, { output, text });
            if (tail === null) area.take({ v: 1, t: "output", op: "replace", key, output });
            else area.take({ v: 1, t: "output", op: "append", key, text: tail });
          }
        }
        for (const { key } of shown.splice(outputs.length)) area.take({ v: 1, t: "output", op: "clear", key });
      };
      this.listenTo(this.model, "change:outputs", show);
      show();
    }
  }
  return { OutputModel, OutputView };
}

function appended(before: FrameOutput, now: FrameOutput): string | null {
  if (before.kind !== "stream" || now.kind !== "stream" || before.name !== now.name) return null;
  return now.text.startsWith(before.text) ? now.text.slice(before.text.length) : null;
}

function frameOutputs(value: unknown): FrameOutput[] {
  return Array.isArray(value) ? value.map(frameOutput).filter((output) => output !== null) : [];
}

/** An output as nbformat has it. */
function frameOutput(value: unknown): FrameOutput | null {
  const output = fieldsOf(value);
  switch (output.output_type) {
    case "stream":
      return { kind: "stream", name: lines(output.name), text: lines(output.text) };
    case "error": {
      const { traceback } = output;
      const all = Array.isArray(traceback) ? traceback.map(lines) : [];
      return { kind: "error", ename: lines(output.ename), evalue: lines(output.evalue), traceback: all };
    }
    default: {
      const data = fieldsOf(output.data);
      const mime = chooseMime(Object.keys(data));
      if (mime === null) return null;
      const metadata = JSON.stringify(fieldsOf(output.metadata));
      return { kind: "data", mime, value: lines(data[mime]), plain: lines(data["text/plain"]), metadata };
    }
  }
}

function lines(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((line) => typeof line === "string")) return value.join("");
  return value === undefined ? "" : JSON.stringify(value);
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}
