// Pictures of every page, whole, in light and dark; some states that a page
// only has after a touch (the SKU sheet, an error at a field) as well.
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from '@playwright/test';
import { become, makeScene, PAGES, type Scene } from './src/state.ts';
import { serveShop, test, words } from './src/test.ts';

serveShop();

const t = words('zh-CN');
const folder = resolve(process.env.ZAIJIA_SCREENS ?? fileURLToPath(new URL('screens', import.meta.url)));

let scene: Scene;
test.beforeAll('fill the shop', async () => {
  scene = await makeScene();
});

/** The whole page in one picture: the window grows to its height, so that bars stand where they belong. */
async function picture(page: Page, path: string): Promise<void> {
  const before = page.viewportSize();
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  if (before) await page.setViewportSize({ width: before.width, height: Math.max(before.height, height) });
  await page.screenshot({ path, fullPage: true, animations: 'disabled' });
  if (before) await page.setViewportSize(before);
}

/** What a page has only after a touch. */
const TOUCHES: Record<string, { member?: boolean; path: string; touch: (page: Page) => Promise<void> }> = {
  'product-options': {
    path: '/p/DU002',
    touch: (page) => page.getByRole('link', { name: t('catalogue.choose_option') }).click(),
  },
  'product-if-missing': {
    path: '/p/DF003',
    touch: (page) => page.getByRole('main').getByText(t('catalogue.if_missing'), { exact: true }).click(),
  },
  'search-suggestions': {
    path: '/',
    touch: async (page) => {
      // Suggestions come from an island: it is awake once the box is a combobox.
      await page.getByRole('combobox', { name: t('site.search_label') }).pressSequentially('niu');
      await page.getByRole('option').first().waitFor();
    },
  },
  'sign-in-error': {
    path: '/sign-in',
    touch: async (page) => {
      await page.getByLabel(t('member.phone')).fill('123');
      await page.getByRole('button', { name: t('member.send') }).click();
      await page.getByRole('alert').first().waitFor();
    },
  },
};

for (const theme of ['light', 'dark'] as const) {
  test(`every page, ${theme}`, async ({ page, context }, { project }) => {
    const file = (name: string) => `${folder}/${project.name}-${theme}/${name}.png`;
    for (const { name, path, member = false } of PAGES) {
      await become(context, scene, member, 'zh-CN', theme);
      await page.goto(path(scene));
      // Pictures load as they come into view; all shall be in the picture.
      await page.evaluate(async () => {
        const images = [...document.images];
        for (const image of images) image.loading = 'eager';
        await Promise.all(images.map((image) => image.decode().catch(() => undefined)));
      });
      await picture(page, file(name));
    }
    for (const [name, { path, member = false, touch }] of Object.entries(TOUCHES)) {
      await become(context, scene, member, 'zh-CN', theme);
      await page.goto(path);
      await touch(page);
      await picture(page, file(name));
    }
  });
}

test('in English', async ({ page, context }, { project }) => {
  for (const { name, path, member = false } of PAGES) {
    await become(context, scene, member, 'en', 'light');
    await page.goto(path(scene));
    await picture(page, `${folder}/${project.name}-english/${name}.png`);
  }
});
