/** What page and frame say to each other of comms and widget models; `../protocol.ts` delegates to these guards. */

export type CommToFrame = never;
export type CommToPage = never;

type Fields = Record<string, unknown>;

export function parseCommToFrame(_message: Fields): CommToFrame | null {
  return null;
}

export function parseCommToPage(_message: Fields): CommToPage | null {
  return null;
}
