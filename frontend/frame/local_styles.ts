/** Style sheets of icons and maps that outputs link from CDNs, from our own bundle instead. */

const STYLES: readonly { link: RegExp; load: () => Promise<unknown> }[] = [
  {
    link: /^https?:\/\/[^?#]*\/(?:font-?awesome|fontawesome-free)(?:@|\/)[^?#]*\.css(?:[?#]|$)/i,
    load: () => import("./icons"),
  },
  {
    link: /^https?:\/\/[^?#]*\/leaflet(?:@|\/)[^?#]*\bleaflet(?:\.min)?\.css(?:[?#]|$)/i,
    load: () => import("./map_styles"),
  },
];

/** Takes such links out of `content` and loads what they mean. */
export function localStyles(content: DocumentFragment): void {
  for (const link of content.querySelectorAll<HTMLLinkElement>('link[rel~="stylesheet"][href]')) {
    const known = STYLES.find((style) => style.link.test(link.href));
    if (known === undefined) continue;
    link.remove();
    void known.load();
  }
}
