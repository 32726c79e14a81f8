/** Widgets that bring their code along, `_esm` and `_css` (anywidget.dev/afm): the model and view that run it. */
import { DOMWidgetModel, DOMWidgetView, type WidgetModel } from "@jupyter-widgets/base";
import type { Fields } from "./protocol";

type Cleanup = () => unknown;

interface Definition {
  initialize?(props: object): unknown;
  render?(props: object): unknown;
}

const modules = new Map<string, Promise<Definition>>();
const COMMAND_WITHIN_MS = 3_000;

export class AnyModel extends DOMWidgetModel {
  #ready: Promise<Definition> | null = null;
  #cleanup: Cleanup | null = null;

  override initialize(attributes: Fields, options: Parameters<DOMWidgetModel["initialize"]>[1]): void {
    super.initialize(attributes, options);
    this.on("change:_esm", () => {
      this.#cleanup?.();
      this.#ready = null;
      this.trigger("code");
    });
    this.on("destroy", () => this.#cleanup?.());
  }

  /** The code, its `initialize` done. */
  ready(): Promise<Definition> {
    this.#ready ??= this.#start();
    return this.#ready;
  }

  async #start(): Promise<Definition> {
    const definition = await load(String(this.get("_esm") ?? ""));
    const ended = await definition.initialize?.({ model: proxyOf(this, this), experimental: experimental(this) });
    this.#cleanup = asCleanup(ended);
    return definition;
  }

  /** Binary parts survive, which JSON's way of copying would lose. */
  override serialize(state: Fields): ReturnType<DOMWidgetModel["serialize"]> {
    const copy: Fields = {};
    for (const [key, value] of Object.entries(state)) copy[key] = copied(value);
    return copy as ReturnType<DOMWidgetModel["serialize"]>;
  }
}

export class AnyView extends DOMWidgetView {
  #cleanup: Cleanup | null = null;
  #style: HTMLStyleElement | null = null;

  override async render(): Promise<void> {
    super.render();
    this.el.classList.add("widget-foreign");
    this.listenTo(this.model, "change:_css", () => this.#applyStyle());
    this.listenTo(this.model, "code", () => void this.#draw());
    this.#applyStyle();
    await this.#draw();
  }

  override remove(): this {
    void this.#cleanup?.();
    this.#style?.remove();
    super.remove();
    return this;
  }

  #applyStyle(): void {
    const css = String(this.model.get("_css") ?? "");
    this.#style?.remove();
    this.#style = null;
    if (css === "") return;
    this.#style = document.createElement("style");
    this.#style.textContent = css;
    document.head.append(this.#style);
  }

  async #draw(): Promise<void> {
    const { model } = this;
    if (!(model instanceof AnyModel)) return;
    void this.#cleanup?.();
    this.#cleanup = null;
    this.el.replaceChildren();
    try {
      const definition = await model.ready();
      const props = { model: proxyOf(model, this), el: this.el, experimental: experimental(model) };
      this.#cleanup = asCleanup(await definition.render?.(props));
    } catch (error) {
      const line = document.createElement("pre");
      line.className = "widget-error";
      line.textContent = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.el.replaceChildren(line);
    }
  }
}

function asCleanup(value: unknown): Cleanup | null {
  return typeof value === "function" ? () => value() : null;
}

function load(code: string): Promise<Definition> {
  let loading = modules.get(code);
  if (loading === undefined) {
    loading = importCode(code);
    modules.set(code, loading);
    loading.catch(() => modules.delete(code));
  }
  return loading;
}

async function importCode(code: string): Promise<Definition> {
  if (/^https?:\/\//.test(code)) return definitionOf(await import(/* @vite-ignore */ code));
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  try {
    return definitionOf(await import(/* @vite-ignore */ url));
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function definitionOf(module: object): Promise<Definition> {
  const exported: unknown = Reflect.get(module, "default");
  const made: unknown = typeof exported === "function" ? await exported() : (exported ?? module);
  return typeof made === "object" && made !== null ? made : {};
}

/** The part of a model that the code may use; what it listens to ends with `owner`. */
function proxyOf(model: AnyModel, owner: AnyModel | AnyView): object {
  return {
    get: (key: string): unknown => model.get(key),
    set: (key: string, value: unknown): void => void model.set(key, value),
    save_changes: (): void => model.save_changes(),
    send(content: unknown, callbacks?: Parameters<WidgetModel["send"]>[1], buffers?: ArrayBuffer[]): void {
      model.send(JSON.parse(JSON.stringify(content ?? null)), callbacks, buffers);
    },
    on: (event: string, callback: (...values: unknown[]) => void): void => void owner.listenTo(model, event, callback),
    off(event?: string | null, callback?: ((...values: unknown[]) => void) | null): void {
      owner.stopListening(model, event ?? undefined, callback ?? undefined);
    },
    widget_manager: model.widget_manager,
  };
}

function experimental(model: AnyModel): object {
  return {
    /** Calls a `@command` of the widget's Python class. */
    invoke(name: string, message?: unknown, options: { buffers?: ArrayBuffer[]; signal?: AbortSignal } = {}) {
      const id = crypto.randomUUID();
      const signal = options.signal ?? AbortSignal.timeout(COMMAND_WITHIN_MS);
      return new Promise((resolve, reject) => {
        const onAnswer = (answer: unknown, buffers: unknown): void => {
          if (typeof answer !== "object" || answer === null || Reflect.get(answer, "id") !== id) return;
          model.off("msg:custom", onAnswer);
          resolve([Reflect.get(answer, "response"), buffers]);
        };
        signal.addEventListener("abort", () => {
          model.off("msg:custom", onAnswer);
          reject(signal.reason);
        });
        model.on("msg:custom", onAnswer);
        const content = JSON.parse(JSON.stringify({ id, kind: "anywidget-command", name, msg: message ?? null }));
        model.send(content, undefined, options.buffers ?? []);
      });
    },
  };
}

function copied(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const own: unknown = Reflect.get(value, "toJSON");
  if (typeof own === "function") return own.call(value);
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map(copied);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copied(item)]));
}
