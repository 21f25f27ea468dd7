// Pictures of every page, phone and desktop, light and dark: `npm run screens`
// (or `cargo xtask screens`). They go to ZAIJIA_SCREENS, else to `screens`.
import { defineConfig } from '@playwright/test';
import { chromium, desktop, phone } from './src/devices.ts';

export default defineConfig({
  testDir: '.',
  testMatch: 'screens.spec.ts',
  outputDir: './test-results/screens',
  globalSetup: './src/setup.ts',
  projects: [
    { name: 'phone', use: phone },
    { name: 'desktop', use: desktop },
  ],
  use: { ...chromium, locale: 'zh-CN', timezoneId: 'Asia/Shanghai', contextOptions: { reducedMotion: 'reduce' }, actionTimeout: 15_000, navigationTimeout: 20_000 },
  timeout: 300_000,
  workers: 1,
  retries: 0,
  reporter: [['list']],
});
