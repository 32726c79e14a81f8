/** Which of our own copies stands for a URL of a CDN: same library, same major version, and none older than asked for. */
import { LIBRARIES, type LibraryName, libraryUrl } from "./libraries";

/** Names that CDNs know a library by, where they differ from ours. */
const NAMES = new Map<string, LibraryName>([
  ["plotly", "plotly"],
  ["plotly.js", "plotly"],
  ["plotly.js-dist", "plotly"],
  ["plotly.js-dist-min", "plotly"],
  ["require", "requirejs"],
  ["require.js", "requirejs"],
  ["requirejs", "requirejs"],
  ["jquery", "jquery"],
  ["vega", "vega"],
  ["vega-lite", "vega-lite"],
  ["vega-embed", "vega-embed"],
]);

/** Paths inside a package that are its one classic script; other files of a package are not ours to replace. */
const MAIN =
  /^\/?(?:(?:build|dist|lib)\/)?(?:plotly|require|jquery|jquery\.slim|vega|vega-lite|vega-embed)(?:\.min)?(?:\.js)?$/;

const PATTERNS: readonly RegExp[] = [
  // https://cdn.jsdelivr.net/npm/vega-lite@6.4.1/build/vega-lite.min.js?noext
  /^https?:\/\/(?:cdn\.jsdelivr\.net\/npm|(?:www\.)?unpkg\.com)\/(?<name>[\w.-]+)(?:@(?<version>[^/?#]*))?(?<path>\/[^?#]*)?(?:[?#].*)?$/,
  // https://cdnjs.cloudflare.com/ajax/libs/require.js/2.3.6/require.min.js
  /^https?:\/\/(?:cdnjs\.cloudflare\.com\/ajax\/libs|ajax\.googleapis\.com\/ajax\/libs)\/(?<name>[\w.-]+)\/(?<version>[^/?#]+)(?<path>\/[^?#]*)(?:[?#].*)?$/,
  // https://code.jquery.com/jquery-3.7.1.min.js, https://cdn.plot.ly/plotly-4.1.1.min
  /^https?:\/\/(?:code\.jquery\.com|cdn\.plot\.ly)\/(?<name>jquery|plotly)-(?<version>\d[\d.]*\d)(?:\.slim)?(?:\.min)?(?:\.js)?(?:[?#].*)?$/,
];

/** The URL of our copy under this frame's own origin, or null. */
export function localCopy(url: string): string | null {
  const name = localLibrary(url);
  return name === null ? null : libraryUrl(name);
}

export function localLibrary(url: string): LibraryName | null {
  for (const pattern of PATTERNS) {
    const groups = pattern.exec(url)?.groups;
    if (groups === undefined) continue;
    const name = NAMES.get((groups.name ?? "").toLowerCase());
    const path = groups.path ?? "";
    if (name === undefined || (path !== "" && path !== "/" && !MAIN.test(path))) return null;
    return isEnough(LIBRARIES[name].version, groups.version ?? "") ? name : null;
  }
  return null;
}

/** `wanted` is a version or the front of one; empty and tags mean any. */
function isEnough(ours: string, wanted: string): boolean {
  const parts = wanted.replace(/^[\^~v]/, "").split(".");
  if (!/^\d+$/.test(parts[0] ?? "")) return wanted === "" || wanted === "latest";
  const own = ours.split(".").map(Number);
  for (const [index, part] of parts.entries()) {
    const [have, want] = [own[index] ?? 0, Number.parseInt(part, 10)];
    if (Number.isNaN(want)) return true;
    if (index === 0 && have !== want) return false;
    if (have !== want) return have > want;
  }
  return true;
}

/** For modules: `import "https://cdn.plot.ly/plotly-4.1.1.min"` cannot be caught while it loads. */
export function importMap(): { imports: Record<string, string> } {
  const { version } = LIBRARIES.plotly;
  const urls = [`https://cdn.plot.ly/plotly-${version}.min`, `https://cdn.plot.ly/plotly-${version}.min.js`];
  return { imports: Object.fromEntries(urls.map((url) => [url, libraryUrl("plotly")])) };
}
