/** Large texts and bytes of widgets: each is fetched once, and the last ones are kept. */

interface Named {
  sha256: string;
  text: boolean;
}

export interface LargeValues {
  /** Rejects when the server has it no more. */
  value(part: Named): Promise<string | ArrayBuffer>;
  bytes(part: Named): Promise<ArrayBuffer>;
}

const KEPT = 64;

/** `url` is completed by the SHA-256. */
export function createLargeValues(url: string, get: typeof fetch = (...request) => fetch(...request)): LargeValues {
  const kept = new Map<string, Promise<ArrayBuffer>>();

  const bytes = ({ sha256 }: Named): Promise<ArrayBuffer> => {
    const known = kept.get(sha256);
    if (known !== undefined) {
      kept.delete(sha256);
      kept.set(sha256, known);
      return known;
    }
    const loading = get(url + encodeURIComponent(sha256)).then((answer) => {
      if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
      return answer.arrayBuffer();
    });
    kept.set(sha256, loading);
    loading.catch(() => kept.delete(sha256));
    for (const oldest of [...kept.keys()].slice(0, Math.max(0, kept.size - KEPT))) kept.delete(oldest);
    return loading;
  };

  return {
    bytes,
    value: async (part) => (part.text ? new TextDecoder().decode(await bytes(part)) : bytes(part)),
  };
}
