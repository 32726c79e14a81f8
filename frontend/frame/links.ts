/** Links of outputs open through the page, which asks; the sandbox lets a frame neither leave nor open a window. */
import { safeLink } from "./protocol";

export function catchLinks(open: (url: string) => void): void {
  const onClick = (event: MouseEvent): void => {
    if (event.defaultPrevented || (event.button !== 0 && event.button !== 1)) return;
    const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement || node instanceof SVGAElement);
    if (link === undefined) return;
    if (link instanceof HTMLAnchorElement && link.hasAttribute("download")) return;
    const target = link instanceof SVGAElement ? link.href.baseVal : (link.getAttribute("href") ?? "");
    if (target === "" || target.startsWith("#")) return;
    const url = safeLink(target);
    event.preventDefault();
    if (url !== null) open(url.href);
  };
  document.addEventListener("click", onClick);
  document.addEventListener("auxclick", onClick);
}
