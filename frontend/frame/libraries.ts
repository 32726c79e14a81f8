/**
 * Libraries that outputs load from CDNs and that we serve ourselves, as they come from their packages: nothing is asked
 * of a CDN, and what is stored can be drawn where nothing may be loaded. Versions stand here because file names carry
 * them; the build fails when a package is of another version.
 */

export interface Library {
  /** The package in node_modules. */
  package: string;
  version: string;
  /** Its classic script, inside the package. */
  source: string;
}

export const LIBRARIES = {
  plotly: { package: "plotly.js-dist-min", version: "4.1.1", source: "plotly.min.js" },
  vega: { package: "vega", version: "6.4.0", source: "build/vega.min.js" },
  "vega-lite": { package: "vega-lite", version: "6.5.0", source: "build/vega-lite.min.js" },
  "vega-embed": { package: "vega-embed", version: "7.3.0", source: "build/vega-embed.min.js" },
  jquery: { package: "jquery", version: "3.7.1", source: "dist/jquery.min.js" },
  requirejs: { package: "requirejs", version: "2.3.8", source: "require.js" },
} as const satisfies Record<string, Library>;

export type LibraryName = keyof typeof LIBRARIES;

/** Where the frame finds the library, without `/_out/`. */
export function libraryFile(name: LibraryName): string {
  return `assets/${name}-${LIBRARIES[name].version}.min.js`;
}

export function libraryUrl(name: LibraryName): string {
  return `/_out/${libraryFile(name)}`;
}
