/**
 * `window.google.colab`: what scripts of notebooks for Colab find in the frame. The names and what they do are the
 * contract (outputs.md section 10). All of it is in the hands of output code: page and server decide again.
 */
import { chooseMime } from "../../src/outputs/mimes";
import { aliasElement } from "../element";
import type { CreateFeature, FrameContext } from "../features";
import type { FrameOutput } from "../protocol";
import { type Calls, createCalls, toText } from "./calls";
import { provideTabs } from "./tabs";

const NO_ACCESS = "This output may not call the kernel. Run its cell, or click into the output first.";

export const colabFeature: CreateFeature = (context) => {
  const calls = createCalls(context.send);
  const colab = Object.freeze({
    kernel: kernelOf(context, calls),
    output: outputOf(context),
    widgets: Object.freeze({ installCustomManager: async (): Promise<void> => undefined }),
    files: Object.freeze({
      view: (path: unknown, line: unknown) =>
        context.send({ v: 1, t: "viewFile", path: String(path), line: Number.isSafeInteger(line) ? Number(line) : 0 }),
    }),
    notebook: Object.freeze({
      addCell: (code: unknown) => context.send({ v: 1, t: "addCell", code: String(code) }),
      generateWithVariable: () => undefined,
    }),
  });
  const google: unknown = Reflect.get(window, "google");
  if (typeof google === "object" && google !== null) Object.assign(google, { colab });
  else Object.assign(window, { google: { colab } });
  provideTabs(window);
  return {
    take(message) {
      switch (message.t) {
        case "eval":
          context.area.run(() => evaluate(message.id, message.script, context));
          return true;
        case "colabAnswer":
          calls.answer(message);
          return true;
        default:
          return false;
      }
    },
  };
};

function kernelOf(context: FrameContext, calls: Calls): object {
  const mustHaveAccess = (): void => {
    if (!context.isAccessAllowed()) throw new Error(NO_ACCESS);
  };
  return Object.freeze({
    get accessAllowed() {
      return context.isAccessAllowed();
    },
    async invokeFunction(name: unknown, args: unknown = [], kwargs: unknown = {}): Promise<unknown> {
      mustHaveAccess();
      const texts = { name: String(name), args: toText(args ?? []), kwargs: toText(kwargs ?? {}) };
      return calls.ask((id) => ({ v: 1, t: "invoke", id, ...texts }));
    },
    async proxyPort(port: unknown): Promise<unknown> {
      return calls.ask((id) => ({ v: 1, t: "proxyPort", id, port: Number(port), path: "/" }));
    },
    comms: Object.freeze({
      async open(target: unknown, data?: unknown, buffers?: ArrayBuffer[]): Promise<unknown> {
        mustHaveAccess();
        const { open } = await import("./comms");
        return open(String(target), data, buffers);
      },
      registerTarget(target: unknown, callback: (...parts: unknown[]) => void): void {
        void import("./comms").then(({ registerTarget }) => registerTarget(String(target), callback));
      },
    }),
    disconnect: () => undefined,
  });
}

function outputOf({ area }: FrameContext): object {
  return Object.freeze({
    getActiveOutputArea: () => area.active(),
    getDefaultOutputArea: () => area.body,
    setActiveOutputArea(element: unknown): void {
      if (!(element instanceof HTMLElement)) throw new TypeError("An output area is an element of the output.");
      area.setActive(element);
    },
    /** The frame is as high as what is in it; a height bounds that, and what is more scrolls. */
    setIframeHeight(height: unknown, autoResize?: unknown, options?: { maxHeight?: unknown }): void {
      const most = autoResize === true || height === "auto" ? options?.maxHeight : height;
      const px = typeof most === "number" && Number.isFinite(most) ? `${Math.max(0, most)}px` : "";
      area.body.style.maxHeight = px;
      area.body.style.overflowY = px === "" ? "" : "auto";
    },
    resizeIframeToContent: () => undefined,
    pauseOutputUntil: (promise: unknown) => area.pauseUntil(Promise.resolve(promise)),
    async renderOutput(output: unknown, element: unknown): Promise<void> {
      if (!(element instanceof HTMLElement)) throw new TypeError("An output is drawn into an element.");
      await area.render(frameOutput(output), element);
    },
  });
}

/** A mime bundle, or an nbformat output that holds one, as frames get it. */
function frameOutput(value: unknown): FrameOutput {
  const fields = typeof value === "object" && value !== null ? Object.entries(value) : [];
  const inner = new Map<string, unknown>(fields).get("data");
  const bundle = new Map<string, unknown>(typeof inner === "object" && inner !== null ? Object.entries(inner) : fields);
  const mime = chooseMime([...bundle.keys()]) ?? "text/plain";
  return {
    kind: "data",
    mime,
    value: textOf(bundle.get(mime)),
    plain: textOf(bundle.get("text/plain")),
    metadata: "{}",
  };
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((line) => typeof line === "string")) return value.join("");
  return value === undefined ? "" : JSON.stringify(value);
}

/** Begins in its turn; a promise that it gives holds nothing up. */
async function evaluate(id: number, script: string, { area, send }: FrameContext): Promise<void> {
  try {
    const place = document.createElement("div");
    area.active().append(place);
    aliasElement(place);
    // In the frame's global scope, as scripts of outputs are: that is what the kernel asked for.
    const run: (code: string) => unknown = Reflect.get(window, "eval");
    const value = toText(await run(script));
    send({ v: 1, t: "evalResult", id, value, error: "" });
  } catch (error) {
    send({ v: 1, t: "evalResult", id, value: null, error: String(error).slice(0, 2_000) || "The script failed." });
  }
}
