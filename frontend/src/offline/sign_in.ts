/** Signing in without leaving the page: by the address that the server printed, its token, or a link somebody sent. */
import { whoIsThis } from "./arrive.ts";

/** Where the server exchanges it for a session; null for what is neither. */
export function signInPath(text: string): string | null {
  const given = text.trim();
  if (/^[A-Za-z0-9_.~-]{8,200}$/.test(given)) return `/?token=${given}`;
  const url = URL.parse(given);
  if (url === null) return null;
  // Whatever name of this server it was printed with: the session is to be this page's.
  for (const name of ["token", "link"]) {
    const value = url.searchParams.get(name);
    if (value !== null) return `${url.pathname}?${new URLSearchParams({ [name]: value })}`;
  }
  return null;
}

/** Null when that worked; otherwise a sentence about why not. */
export async function signIn(text: string): Promise<string | null> {
  const path = signInPath(text);
  if (path === null)
    return "This is neither a sign-in address nor a link. Copy the whole of it, with what follows the question mark.";
  try {
    const answer = await fetch(path, { redirect: "manual", headers: { accept: "application/json" } });
    // Being sent on is the sign of success; where to, only a navigation would learn.
    if (answer.type !== "opaqueredirect") return await refusalOf(answer);
  } catch {
    return "The server could not be reached.";
  }
  if ((await whoIsThis()).kind !== "known") return "The browser did not keep the session; allow cookies for this page.";
  return null;
}

async function refusalOf(answer: Response): Promise<string> {
  const body: unknown = await answer.json().catch(() => null);
  const reason: unknown = Reflect.get(Object(body), "error");
  return typeof reason === "string" ? reason : `The server answered ${answer.status}.`;
}
