import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

/** The shell first: the same engine without windows, for less than half of the CPU. */
const usualPlaces = [
  '/usr/bin/chromium-headless-shell',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
];

/** The Chromium of this machine: `CHROMIUM`, else where distributions put it. */
export function findChromium(): string | undefined {
  return [process.env.CHROMIUM, ...usualPlaces].find((path) => path && existsSync(path));
}

/** A fresh headless Chromium that talks to nobody by itself. @throws Error if this machine has none. */
export async function launchChromium(): Promise<Browser & AsyncDisposable> {
  const executablePath = findChromium();
  if (!executablePath)
    throw new Error(
      "There is no Chromium: install Debian's chromium-headless-shell or chromium, or set CHROMIUM to one.",
    );
  return chromium.launch({
    executablePath,
    env: { ...process.env, FONTCONFIG_FILE: join(import.meta.dirname, 'fonts.conf') },
    args: [
      '--headless',
      // Containers, and CI as root, have no user namespaces for it.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
