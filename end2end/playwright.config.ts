// Browser tests of the shop: `npx playwright test` (or `cargo xtask test`).
// Every spec runs on phone and desktop, with and without JavaScript, except
// what needs scripts by its nature.
import { defineConfig, type PlaywrightTestConfig, type Project } from '@playwright/test';
import { chromium, phone, desktop } from './src/devices.ts';

// What is about scripts: taps in a hurry, the live stream, the service worker.
const scriptsOnly = ['**/hurry.spec.ts', '**/live.spec.ts', '**/pwa.spec.ts'];
// The audit of a page needs scripts to run, not the page's own; one size will do.
const phoneOnly = ['**/pages.spec.ts', '**/postgres.spec.ts', '**/pwa.spec.ts'];

const projects: Project[] = [
  { name: 'phone', use: phone },
  { name: 'desktop', use: desktop, testIgnore: phoneOnly },
  { name: 'phone without JavaScript', use: { ...phone, javaScriptEnabled: false }, testIgnore: [...scriptsOnly, ...phoneOnly] },
  { name: 'desktop without JavaScript', use: { ...desktop, javaScriptEnabled: false }, testIgnore: [...scriptsOnly, ...phoneOnly] },
];

const config: PlaywrightTestConfig = {
  testDir: './tests',
  outputDir: './test-results',
  snapshotPathTemplate: '{testDir}/aria/{arg}{ext}',
  globalSetup: './src/setup.ts',
  projects,
  use: {
    ...chromium,
    locale: 'zh-CN',
    timezoneId: 'Asia/Shanghai',
    actionTimeout: 15_000,
    navigationTimeout: 20_000,
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
  },
  timeout: 90_000,
  expect: { timeout: 10_000 },
  fullyParallel: false,
  workers: 1,
  retries: 0,
  forbidOnly: true,
  reporter: [['list']],
};

export default defineConfig(config);
