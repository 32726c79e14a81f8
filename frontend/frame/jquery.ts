/** jQuery comes when a script of an output names it; the frame itself does without. */
import { loadLibrary } from "./load";

const USES_JQUERY = /\bjQuery\b|(?:^|[^\w$.])\$\s*(?:\(|\.(?:ajax|get|getJSON|each|extend|when|fn)\b)/;
const LIBRARY_LENGTH = 200_000;

export function usesJquery(code: string): boolean {
  return code.length < LIBRARY_LENGTH && USES_JQUERY.test(code);
}

export async function provideJquery(): Promise<void> {
  if (Reflect.get(window, "jQuery") === undefined) await loadLibrary("jquery");
}
