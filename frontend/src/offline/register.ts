/** Has the browser keep the page, where it can: browsers give workers only to https and to this machine itself. */

interface ScriptPolicy {
  createScriptURL(url: string): string;
}

// Until the page has what it needs itself.
const LATER_MS = 2_000;

export function keepPage(): void {
  setTimeout(register, LATER_MS);
}

function register(): void {
  const url = document.querySelector<HTMLMetaElement>('meta[name="worker"]')?.content ?? "";
  if (url === "" || !("serviceWorker" in navigator)) return;
  // The one script that the page starts by its address (its policy asks for Trusted Types).
  const policy = policies()?.createPolicy("app", { createScriptURL: (given) => given });
  navigator.serviceWorker
    .register(policy?.createScriptURL(url) ?? url, { updateViaCache: "none" })
    // A browser that forbids it, or a server that went away just now: the page works without.
    .catch((error: unknown) => console.info("This browser does not keep the page for offline use.", error));
}

function policies(): { createPolicy(name: string, rules: ScriptPolicy): ScriptPolicy } | undefined {
  return Reflect.get(globalThis, "trustedTypes");
}
