/** Puts what travels beside JSON back into its places. Pure. */
import type { Path } from "./protocol";

/** Places that are not there are left alone. */
export function putInto(value: unknown, path: Readonly<Path>, part: unknown): void {
  let target = value;
  for (const step of path.slice(0, -1)) {
    target = typeof target === "object" && target !== null ? Reflect.get(target, step) : undefined;
  }
  const last = path.at(-1);
  if (typeof target === "object" && target !== null && last !== undefined) Reflect.set(target, last, part);
}

/** Widgets take their bytes as DataViews. */
export function putBuffers(state: object, paths: readonly Path[], buffers: readonly ArrayBuffer[]): void {
  for (const [index, path] of paths.entries()) {
    const buffer = buffers[index];
    if (buffer !== undefined) putInto(state, path, new DataView(buffer));
  }
}
