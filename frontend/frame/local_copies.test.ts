import { describe, expect, it } from "vitest";
import { LIBRARIES } from "./libraries";
import { importMap, localCopy, localLibrary } from "./local_copies";
import { isPublicHttp } from "./public_url";

describe("a URL of a CDN", () => {
  it.each([
    ["https://cdn.jsdelivr.net/npm/vega@6?noext", "vega"],
    ["https://cdn.jsdelivr.net/npm/vega-lite@6.4.1?noext", "vega-lite"],
    ["https://cdn.jsdelivr.net/npm/vega-embed@7", "vega-embed"],
    ["https://unpkg.com/vega@6.1.0/build/vega.min.js", "vega"],
    ["https://cdn.jsdelivr.net/npm/vega", "vega"],
    [`https://cdn.plot.ly/plotly-${LIBRARIES.plotly.version}.min.js`, "plotly"],
    ["https://cdnjs.cloudflare.com/ajax/libs/require.js/2.3.4/require.min.js", "requirejs"],
    ["https://code.jquery.com/jquery-3.6.0.min.js", "jquery"],
    ["https://ajax.googleapis.com/ajax/libs/jquery/3.5.1/jquery.min.js", "jquery"],
    ["https://cdn.jsdelivr.net/npm/jquery@^3.5/dist/jquery.slim.min.js", "jquery"],
  ])("%s is our %s", (url, name) => {
    expect(localLibrary(url)).toBe(name);
    expect(localCopy(url)).toMatch(/^\/_out\/assets\/[\w.-]+\.min\.js$/);
  });

  it.each([
    ["of another major version", "https://cdn.jsdelivr.net/npm/vega@5"],
    ["of a newer version", "https://cdn.jsdelivr.net/npm/vega@6.99.0"],
    ["of an older plotly", "https://cdn.plot.ly/plotly-2.35.2.min.js"],
    ["of a file that is not the library", "https://cdn.jsdelivr.net/npm/vega@6/build/vega-schema.json"],
    ["of another library", "https://cdn.jsdelivr.net/npm/vega-themes@3"],
    ["of an old jQuery", "https://code.jquery.com/jquery-1.12.4.min.js"],
    ["of a tag that may be newer", "https://cdn.jsdelivr.net/npm/vega@next"],
    ["of another host", "https://evil.example/npm/vega@6"],
    ["that only ends alike", "https://evil.example/?https://cdn.jsdelivr.net/npm/vega@6"],
  ])("%s is left as it is", (_why, url) => {
    expect(localCopy(url)).toBeNull();
  });

  it("is mapped for modules, where the library's own address has no ending", () => {
    expect(importMap().imports[`https://cdn.plot.ly/plotly-${LIBRARIES.plotly.version}.min`]).toBe(
      `/_out/assets/plotly-${LIBRARIES.plotly.version}.min.js`,
    );
  });
});

describe("a chart's data", () => {
  it.each([
    "https://example.org/cars.json",
    "http://93.184.216.34/a.csv",
    "https://cdn.jsdelivr.net/npm/vega-datasets",
  ])("may come from %s", (url) => expect(isPublicHttp(url)).toBe(true));

  it.each([
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/latest",
    "http://localhost:8888/api",
    "http://a.localhost/x",
    "http://127.1/x",
    "http://0/x",
    "http://10.0.0.1/x",
    "http://172.20.1.1/x",
    "http://192.168.1.1/x",
    "http://[::1]/x",
    "http://[::ffff:169.254.169.254]/x",
    "http://router/x",
    "http://printer.local/x",
    "http://user:secret@example.org/x",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "ftp://example.org/x",
    "cars.json",
  ])("does not come from %s", (url) => expect(isPublicHttp(url)).toBe(false));
});
