/** What page and frame say to each other for `window.google.colab`; `../protocol.ts` delegates to these guards. */

export type ColabToFrame = never;
export type ColabToPage = never;

type Fields = Record<string, unknown>;

export function parseColabToFrame(_message: Fields): ColabToFrame | null {
  return null;
}

export function parseColabToPage(_message: Fields): ColabToPage | null {
  return null;
}
