/** Where the classes of widgets come from: our own bundle, or the environment of the kernel. */

import type { WidgetModel, WidgetView } from "@jupyter-widgets/base";
import * as base from "@jupyter-widgets/base";
import * as controls from "@jupyter-widgets/controls";
import * as any from "./anywidget";
import type { Manager } from "./manager";
import { outputClasses } from "./output";

export type WidgetClass = typeof WidgetModel | typeof WidgetView;
export type ClassSource = (name: string, module: string, version: string) => Promise<WidgetClass>;

export function classSources(manager: Manager): ClassSource {
  const output = outputClasses(manager);
  return async (name, module) => {
    switch (module) {
      case "@jupyter-widgets/base":
        return classOf(base, name, module);
      case "@jupyter-widgets/controls":
        return classOf(controls, name, module);
      case "@jupyter-widgets/output":
        return classOf(output, name, module);
      case "anywidget":
        return classOf(any, name, module);
      default: {
        const { loadModule } = await import("./foreign");
        return classOf(await loadModule(module, manager.channel), name, module);
      }
    }
  };
}

function classOf(module: object, name: string, moduleName: string): WidgetClass {
  const found: unknown = Reflect.get(module, name);
  if (isClass(found)) return found;
  throw new Error(`${moduleName} has no ${name}.`);
}

function isClass(value: unknown): value is WidgetClass {
  return typeof value === "function";
}
