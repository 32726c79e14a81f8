/**
 * Links of outputs open through the page, which asks; the sandbox lets a frame neither leave nor open a window.
 * Libraries also click on links that are in no document (a chart's mark with an address): those are caught as well.
 * Links with `download` are another's (`downloads.ts`), which comes first.
 */
import { fileNote, isRelative } from "./kernel_files";
import { safeLink } from "./protocol";

type Link = HTMLAnchorElement | SVGAElement;

export function catchLinks(open: (url: string) => void): void {
  /** Whether there was somewhere to go. */
  const follow = (link: Link): boolean => {
    const target = link instanceof SVGAElement ? link.href.baseVal : (link.getAttribute("href") ?? "");
    if (target === "" || target.startsWith("#")) return false;
    if (isRelative(target)) explain(link, target);
    const url = safeLink(target);
    if (url !== null) open(url.href);
    return true;
  };
  const onClick = (event: MouseEvent): void => {
    if (event.defaultPrevented || (event.button !== 0 && event.button !== 1)) return;
    const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement || node instanceof SVGAElement);
    if (link === undefined || isDownload(link)) return;
    if (follow(link)) event.preventDefault();
  };
  document.addEventListener("click", onClick);
  document.addEventListener("auxclick", onClick);

  const { prototype } = HTMLAnchorElement;
  const { click, dispatchEvent } = prototype;
  prototype.click = function clickLink(): void {
    if (this.isConnected || isDownload(this) || !follow(this)) click.call(this);
  };
  prototype.dispatchEvent = function dispatch(event: Event): boolean {
    if (event.type === "click" && !this.isConnected && !isDownload(this) && follow(this)) return false;
    return dispatchEvent.call(this, event);
  };
}

function isDownload(link: Link): boolean {
  return link instanceof HTMLAnchorElement && link.hasAttribute("download");
}

/** `FileLink("a.csv")`: the file lies beside the kernel. Said once, under the link. */
function explain(link: Link, url: string): void {
  if (link.nextElementSibling?.classList.contains("output-note")) return;
  link.after(fileNote(url, "a"));
}
