/**
 * The output frame's entry: says hello, takes the port, then draws what the page sends, strictly in order. Everything
 * here shares its realm with output code and is trusted by nobody.
 */
import "./frame.css";
import { createOutputArea } from "./area";
import { sayBlocked } from "./blocked";
import { catchDownloads } from "./downloads";
import { FEATURES } from "./features";
import { holdFocus, sayActs } from "./focus";
import { observeHeight } from "./height";
import { writeIntoArea } from "./html";
import { returnKeys } from "./keys";
import { catchLinks } from "./links";
import { catchPopups } from "./popups";
import {
  type FrameMessage,
  type Hello,
  MAX_NAME_LENGTH,
  type PageMessage,
  PROTOCOL,
  parsePageMessage,
} from "./protocol";
import { redirectScripts } from "./scripts";
import { provideStorage } from "./storage";
import { applyTheme } from "./theme";

const [nonce = "", pageOrigin = ""] = splitOnce(location.hash.slice(1));

if (nonce !== "" && URL.canParse(pageOrigin) && parent !== window) {
  provideStorage(window);
  holdFocus(window);
  writeIntoArea();
  redirectScripts();
  window.addEventListener("message", onInit);
  parent.postMessage({ v: 1, t: "hello", protocol: PROTOCOL, nonce } satisfies Hello, pageOrigin);
}

function splitOnce(text: string): string[] {
  const comma = text.indexOf(",");
  return comma === -1 ? [] : [text.slice(0, comma), text.slice(comma + 1)];
}

function onInit(event: MessageEvent): void {
  if (event.source !== parent || event.origin !== pageOrigin) return;
  const message = parsePageMessage(event.data);
  const port = event.ports[0];
  if (message?.t !== "init" || port === undefined) return;
  window.removeEventListener("message", onInit);
  start(port, message);
}

function start(port: MessagePort, init: Extract<PageMessage, { t: "init" }>): void {
  const send = (message: FrameMessage, transfer: Transferable[] = []): void => port.postMessage(message, transfer);
  const body = document.getElementById("output-body");
  if (body === null) return;
  document.title = init.title;
  applyTheme(init.theme);
  const height = observeHeight(init.maxHeight, (px) => send({ v: 1, t: "height", px }));
  const openLink = (url: string): void => send({ v: 1, t: "openLink", url });
  const saveFile = (name: string, bytes: ArrayBuffer): void =>
    send({ v: 1, t: "saveFile", name: name.slice(0, 4 * MAX_NAME_LENGTH), bytes }, [bytes]);
  catchDownloads(window, saveFile, openLink);
  catchLinks(openLink);
  catchPopups(window, openLink);
  sayActs(window, () => send({ v: 1, t: "acted" }));
  if (init.class === "stored") sayBlocked(document, (host) => send({ v: 1, t: "blocked", host }));
  returnKeys((key) => send({ v: 1, t: "key", key }));
  const area = createOutputArea(body, {
    isLive: init.class === "live",
    saveFile,
    openLink,
    log: (level, text) => send({ v: 1, t: "log", level, text: text.slice(0, 2_000) }),
    onIdle: () => {
      height.check();
      send({ v: 1, t: "ready" });
    },
  });
  let isAccessAllowed = init.accessAllowed;
  const context = { isLive: init.class === "live", isAccessAllowed: () => isAccessAllowed, send, area };
  const features = FEATURES.map((create) => create(context));
  port.onmessage = (event: MessageEvent) => {
    const message = parsePageMessage(event.data);
    switch (message?.t) {
      case undefined:
      case "init":
        return;
      case "output":
        area.take(message);
        return;
      case "theme":
        applyTheme(message.theme);
        return;
      case "title":
        document.title = message.title;
        return;
      case "access":
        isAccessAllowed = message.isAllowed;
        for (const feature of features) feature.onAccess?.(isAccessAllowed);
        return;
      case "ping":
        send({ v: 1, t: "pong" });
        return;
      default:
        if (message !== null) features.some((feature) => feature.take(message));
    }
  };
}
