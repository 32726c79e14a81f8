/** What the dialog "Change runtime type" offers, as the wishes of docs/runtime.md and in words. Pure. */

export interface Choice {
  readonly value: string;
  readonly words: string;
}

const DEFAULT: Choice = { value: "", words: "The server’s default" };

export const MEMORY_CHOICES: readonly Choice[] = [
  DEFAULT,
  ...[1, 2, 4, 8, 16, 32, 64].map((size) => ({ value: `${size}GiB`, words: `${size} GiB` })),
];

export function gpuChoices(devices: number): readonly Choice[] {
  if (devices === 0) return [{ value: "", words: "None" }];
  return [
    DEFAULT,
    { value: "0", words: "None" },
    { value: "any", words: "Any that is free" },
    { value: "0.25", words: "A quarter of one" },
    { value: "0.5", words: "Half of one" },
    ...Array.from({ length: devices }, (_, at) => ({
      value: String(at + 1),
      words: at === 0 ? "1, for this notebook alone" : `${at + 1}, for this notebook alone`,
    })),
  ];
}

/** With what is chosen already, which may have come from elsewhere. */
export function withChosen(choices: readonly Choice[], chosen: string): readonly Choice[] {
  return choices.some(({ value }) => value === chosen) ? choices : [...choices, { value: chosen, words: chosen }];
}

/** An address as people write or copy it, "http://host:8888/lab?token=abc", as the server's own address and the token in it. */
export function addressOf(pasted: string): { readonly url: string; readonly token: string | null } {
  const text = pasted.trim();
  const parsed = URL.parse(/^https?:\/\//i.test(text) ? text : `http://${text}`);
  if (parsed === null) return { url: text, token: null };
  const token = parsed.searchParams.get("token");
  const folder = parsed.pathname.replace(/\/(lab|tree|notebooks|doc)(\/.*)?$/, "").replace(/\/+$/, "");
  return { url: `${parsed.origin}${folder}`, token };
}
