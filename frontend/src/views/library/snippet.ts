/** Where a search matched: the server's excerpt cut into pieces, those that match marked. Pure. */

export interface Piece {
  readonly text: string;
  readonly match: boolean;
}

/** Words match where they begin, as the server searches. The excerpt of a title match repeats the title: it goes. */
export function snippetPieces(snippet: string, title: string, query: string): readonly Piece[] {
  const text = (snippet.startsWith(title) ? snippet.slice(title.length) : snippet).trim();
  const words = query.match(/[\p{L}\p{N}_]+/gu) ?? [];
  if (words.length === 0 || text === "") return text === "" ? [] : [{ text, match: false }];
  const found = new RegExp(`(?<![\\p{L}\\p{N}])(?:${words.join("|")})`, "giu");
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(found)) {
    if (match.index > at) pieces.push({ text: text.slice(at, match.index), match: false });
    pieces.push({ text: match[0], match: true });
    at = match.index + match[0].length;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), match: false });
  return pieces;
}
