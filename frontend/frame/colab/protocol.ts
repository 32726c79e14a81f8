/** What page and frame say to each other for `window.google.colab`; `../protocol.ts` delegates to these guards. */

/** JSON texts in either direction, scripts and code. */
export const MAX_TEXT_LENGTH = 1 << 20;
const MAX_SCRIPT_LENGTH = 64 << 20;
const MAX_NAME_LENGTH = 1_000;
const MAX_PATH_LENGTH = 4_096;
const MAX_ADDED_LENGTH = 64 << 10;

export type ColabToFrame =
  /** Answered by `evalResult`. */
  | { v: 1; t: "eval"; id: number; script: string }
  /** Answers `invoke` and `proxyPort`: a JSON text, or the reason why there is none. */
  | { v: 1; t: "colabAnswer"; id: number; value: string | null; error: string };

export type ColabToPage =
  | { v: 1; t: "evalResult"; id: number; value: string | null; error: string }
  /** `args` and `kwargs` are JSON texts. */
  | { v: 1; t: "invoke"; id: number; name: string; args: string; kwargs: string }
  | { v: 1; t: "proxyPort"; id: number; port: number; path: string }
  | { v: 1; t: "viewFile"; path: string; line: number }
  | { v: 1; t: "addCell"; code: string };

/** What the page's relay takes. */
export const COLAB_TO_PAGE: readonly ColabToPage["t"][] = ["evalResult", "invoke", "proxyPort", "viewFile", "addCell"];

type Fields = Record<string, unknown>;

function isText(value: unknown, longest: number): value is string {
  return typeof value === "string" && value.length <= longest;
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function outcome(message: Fields): { id: number; value: string | null; error: string } | null {
  const { id, value, error } = message;
  if (!isNumber(id) || !isText(error, MAX_TEXT_LENGTH)) return null;
  return value === null || isText(value, MAX_TEXT_LENGTH) ? { id, value, error } : null;
}

export function parseColabToFrame(message: Fields): ColabToFrame | null {
  switch (message.t) {
    case "eval": {
      const { id, script } = message;
      return isNumber(id) && isText(script, MAX_SCRIPT_LENGTH) ? { v: 1, t: "eval", id, script } : null;
    }
    case "colabAnswer": {
      const answer = outcome(message);
      return answer === null ? null : { v: 1, t: "colabAnswer", ...answer };
    }
    default:
      return null;
  }
}

export function parseColabToPage(message: Fields): ColabToPage | null {
  const { id, name, args, kwargs, port, path, line, code } = message;
  switch (message.t) {
    case "evalResult": {
      const result = outcome(message);
      return result === null ? null : { v: 1, t: "evalResult", ...result };
    }
    case "invoke":
      if (!isNumber(id) || !isText(name, MAX_NAME_LENGTH)) return null;
      if (!isText(args, MAX_TEXT_LENGTH) || !isText(kwargs, MAX_TEXT_LENGTH)) return null;
      return { v: 1, t: "invoke", id, name, args, kwargs };
    case "proxyPort":
      if (!isNumber(id) || !isNumber(port) || port < 1_024 || port > 65_535 || !isText(path, MAX_PATH_LENGTH))
        return null;
      return { v: 1, t: "proxyPort", id, port, path };
    case "viewFile":
      return isText(path, MAX_PATH_LENGTH) && isNumber(line) ? { v: 1, t: "viewFile", path, line } : null;
    case "addCell":
      return isText(code, MAX_ADDED_LENGTH) ? { v: 1, t: "addCell", code } : null;
    default:
      return null;
  }
}
