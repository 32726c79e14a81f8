/**
 * Firefox as people have it: each site in a process of its own. Puppeteer's own way of starting it puts them all into
 * one, whatever the preferences say, and there an output that hangs takes the page with it.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer, { type Browser } from "puppeteer-core";

const PREFERENCES: Record<string, boolean | number | string> = {
  "fission.autostart": true,
  "fission.webContentIsolationStrategy": 1,
  "app.update.enabled": false,
  "browser.aboutwelcome.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage": "about:blank",
  "browser.startup.page": 0,
  "datareporting.policy.dataSubmissionEnabled": false,
  "dom.ipc.processPrelaunch.enabled": false,
  "extensions.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "remote.active-protocols": 1,
  "services.settings.server": "data:,nothing",
  "toolkit.telemetry.enabled": false,
};

export interface SeparateFirefox {
  browser: Browser;
  close(): Promise<void>;
}

export async function launchSeparateFirefox(): Promise<SeparateFirefox> {
  const profile = await mkdtemp(join(tmpdir(), "firefox-e2e-"));
  const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
  await writeFile(join(profile, "user.js"), lines.join("\n"));
  const child = spawn("/usr/bin/firefox-esr", ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0", "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
  const gone = new Promise((done) => child.once("exit", done));
  const endpoint = await new Promise<string>((found, failed) => {
    let text = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const match = /WebDriver BiDi listening on (ws:\/\/\S+)/.exec(text);
      if (match?.[1]) found(match[1]);
    });
    child.once("exit", (code) => failed(new Error(`Firefox ended with ${code}: ${text}`)));
  });
  const browser = await puppeteer.connect({ browserWSEndpoint: `${endpoint}/session`, protocol: "webDriverBiDi" });
  return {
    browser,
    async close() {
      await browser.close().catch(() => undefined);
      child.kill("SIGKILL");
      await gone;
      await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}
