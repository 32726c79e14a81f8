/** Opens the page when the server cannot be reached. A service worker of the page's own origin; never of the outputs'.
 *
 * It keeps the built page: its document, its headers, its files. It never sees or keeps an answer of the API: what
 * people wrote is kept by the page (offline/kept.ts, session/offline.ts). The server is asked first, always.
 */

const PREFIX = "collab-shell-";
const SHELL = "/shell.json";
const NONCE = /__NONCE__/g;
// A server that has not begun to answer by then is as good as none.
const PATIENCE_MS = 5_000;
// What a proxy says whose server is down.
const UNREACHABLE: readonly number[] = [502, 503, 504];

// TypeScript's types for workers cannot stand beside those for pages.
interface LastingEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface RequestEvent extends LastingEvent {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface WorkerScope {
  /** The server's word, before the script; empty when the worker is to take itself away (COLLAB_OFFLINE). */
  readonly BUILD: string;
  readonly registration: ServiceWorkerRegistration;
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", act: (event: LastingEvent) => void): void;
  addEventListener(type: "fetch", act: (event: RequestEvent) => void): void;
}
declare const self: WorkerScope;

const { BUILD } = self;
const NAME = PREFIX + BUILD;

interface Shell {
  readonly build: string;
  /** With a place for the nonce, as in the headers. */
  readonly html: string;
  readonly headers: Record<string, string>;
  readonly assets: readonly string[];
}

self.addEventListener("install", (event) => {
  // Another build answers as well as this one while the server does, so there is nothing to wait for.
  event.waitUntil((BUILD === "" ? Promise.resolve() : keep()).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(BUILD === "" ? leave() : begin());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (BUILD === "" || request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode !== "navigate") {
    if (url.pathname.startsWith("/assets/")) event.respondWith(file(request));
  } else if (isPage(url)) event.respondWith(page(event));
});

/** Signing in is the server's alone. */
function isPage({ pathname, searchParams }: URL): boolean {
  return /^\/(n\/[^/]+\/?)?$/.test(pathname) && !searchParams.has("token") && !searchParams.has("link");
}

async function keep(): Promise<void> {
  const answer = await fetch(SHELL, { cache: "no-store" });
  const shell = await read(answer.clone());
  if (shell.build !== BUILD) throw new Error("The server was replaced meanwhile; the next visit tries again.");
  const cache = await caches.open(NAME);
  await cache.addAll([...shell.assets]);
  await cache.put(SHELL, answer); // last: what has this is whole
}

/** The build before this one stays, as pages that are open may ask for more of it; the server has it no more. */
async function begin(): Promise<void> {
  const others = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== NAME);
  const previous = others.pop();
  if (previous !== undefined && (await (await caches.open(previous)).match(SHELL)) === undefined) others.push(previous);
  await Promise.all(others.map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function leave(): Promise<void> {
  const ours = (await caches.keys()).filter((name) => name.startsWith(PREFIX));
  await Promise.all(ours.map((name) => caches.delete(name)));
  await self.registration.unregister();
}

async function page(event: RequestEvent): Promise<Response> {
  // Not by navigation preload: where that fails, Firefox (153) shows its own page of the failure and asks us no more.
  const asked = fetch(event.request);
  event.waitUntil(asked.catch(() => undefined));
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), PATIENCE_MS));
  const answer = await Promise.race([asked.catch(() => null), late]);
  if (answer !== null && !UNREACHABLE.includes(answer.status)) return answer;
  return (await keptPage()) ?? asked;
}

/** As the server would answer: a fresh nonce in the document and in its policy. */
async function keptPage(): Promise<Response | null> {
  const kept = await (await caches.open(NAME)).match(SHELL);
  if (kept === undefined) return null;
  const { html, headers } = await read(kept);
  const nonce = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18))));
  const filled = Object.entries(headers).map(([name, value]): [string, string] => [name, value.replace(NONCE, nonce)]);
  return new Response(html.replace(NONCE, nonce), { headers: filled });
}

/** A file's name changes with what is in it, so one that is kept is the right one. */
async function file(request: Request): Promise<Response> {
  return (await caches.match(request, { ignoreVary: true })) ?? fetch(request);
}

async function read(answer: Response): Promise<Shell> {
  const shell: Shell = await answer.json();
  return shell;
}

export {};
