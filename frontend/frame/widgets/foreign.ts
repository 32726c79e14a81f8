/** Modules of widgets that we do not carry: AMD files from the environment of the kernel. */
import * as base from "@jupyter-widgets/base";
import * as controls from "@jupyter-widgets/controls";
import { provideAmd } from "../amd";
import type { Channel } from "./channel";

const loading = new Map<string, Promise<object>>();
let isProvided: Promise<void> | null = null;

/** Rejects with a sentence when it cannot be had. */
export function loadModule(name: string, channel: Channel): Promise<object> {
  let found = loading.get(name);
  if (found === undefined) {
    found = load(name, channel);
    loading.set(name, found);
    found.catch(() => loading.delete(name));
  }
  return found;
}

async function load(name: string, channel: Channel): Promise<object> {
  isProvided ??= provideOwn();
  await isProvided;
  const source = await sourceOf(name, channel);
  if (source === null) {
    throw new Error(`The widget module ${name} is neither part of this server nor installed beside the kernel.`);
  }
  const define: unknown = Reflect.get(window, "define");
  const requirejs: unknown = Reflect.get(window, "requirejs");
  if (typeof define !== "function" || typeof requirejs !== "function") throw new Error("The module loader is missing.");
  // An anonymous module gets the name that it is asked for by.
  const named = Object.assign(
    (...parts: unknown[]) => define(...(typeof parts[0] === "string" ? parts : [name, ...parts])),
    { amd: {} },
  );
  new Function("define", "requirejs", "require", source)(named, requirejs, requirejs);
  return required((...parts) => requirejs(...parts), name);
}

/** Modules of widgets share our classes. */
async function provideOwn(): Promise<void> {
  await provideAmd();
  const define: unknown = Reflect.get(window, "define");
  if (typeof define !== "function") return;
  define("@jupyter-widgets/base", [], () => base);
  define("@jupyter-widgets/controls", ["@jupyter-widgets/base"], () => controls);
}

function required(requirejs: (...parts: unknown[]) => unknown, name: string): Promise<object> {
  return new Promise((resolve, reject) => {
    requirejs(
      [name],
      (module: unknown) =>
        typeof module === "object" && module !== null ? resolve(module) : reject(new Error(`${name} is empty.`)),
      (error: unknown) => reject(error instanceof Error ? error : new Error(String(error))),
    );
  });
}

function sourceOf(name: string, channel: Channel): Promise<string | null> {
  return new Promise((resolve) => {
    channel.listen((message) => {
      if (message.t === "widgetModule" && message.name === name) resolve(message.source);
    });
    channel.send({ v: 1, t: "widgetModule", name });
  });
}
