// The browser and the two sizes that the shop is looked at with.
import type { PlaywrightTestOptions, PlaywrightWorkerOptions } from '@playwright/test';

type Use = Partial<PlaywrightTestOptions & PlaywrightWorkerOptions>;

/** The system's Chromium: nothing is downloaded, nothing is phoned home. */
export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const chromium: Use = {
  browserName: 'chromium',
  launchOptions: { executablePath: CHROMIUM, args: CHROMIUM_ARGS },
};

export const phone: Use = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

export const desktop: Use = { viewport: { width: 1280, height: 800 } };
