// The shop as an installed app: manifest, service worker, the offline page with
// what is in the basket, and nothing private in any cache.
import { expectBasket, GOODS, signIn } from '../src/actions.ts';
import { expect, remember, serveShop, shop, test, words } from '../src/test.ts';

serveShop();
const t = words('zh-CN');

test('the manifest names the shop, its icons and its start', async ({ page, request }) => {
  await page.goto('/');
  const href = await page.locator('link[rel=manifest]').getAttribute('href');
  const answer = await request.get(href ?? '');
  expect(answer.headers()['content-type']).toContain('application/manifest+json');
  const manifest = (await answer.json()) as { name: string; start_url: string; display: string; icons: { src: string; sizes: string; purpose?: string }[] };
  expect(manifest).toMatchObject({ name: t('words.shop'), start_url: '/', display: 'standalone' });
  expect(manifest.icons.map(({ sizes }) => sizes)).toEqual(expect.arrayContaining(['192x192', '512x512']));
  expect(manifest.icons.some(({ purpose }) => purpose === 'maskable')).toBe(true);
  for (const { src } of manifest.icons) expect((await request.get(src)).status(), src).toBe(200);
});

test('without a network the offline page shows what is in the basket', async ({ page, context }) => {
  await remember(context, 'zh-CN');
  await page.goto('/');
  await page.evaluate(() => navigator.serviceWorker.ready);
  // A product put in, and its basket seen once, so that there is something to remember.
  await page.goto(`/p/${GOODS.milk.code}`);
  await page.getByRole('button', { name: t('catalogue.add') }).first().click();
  await expectBasket(page, t, 1);
  await page.goto('/basket');
  await expect(page.getByRole('heading', { name: GOODS.milk.zh })).toBeVisible();
  await context.setOffline(true);
  await page.goto('/orders');
  await expect(page.getByRole('main')).toContainText(GOODS.milk.zh);
  await context.setOffline(false);
  await page.goto('/basket');
  await expect(page.getByRole('heading', { level: 1, name: t('basket.title') })).toBeVisible();
});

test('no private page is in any cache', async ({ page, context }) => {
  await remember(context, 'zh-CN');
  await page.goto('/');
  await page.evaluate(() => navigator.serviceWorker.ready);
  await signIn(page, t);
  for (const path of ['/me', '/orders', '/basket', '/me/addresses', '/checkout', '/', '/p/DF003']) await page.goto(path);
  const kept = await page.evaluate(async () => {
    const paths: string[] = [];
    for (const name of await caches.keys()) {
      for (const request of await (await caches.open(name)).keys()) paths.push(new URL(request.url).pathname);
    }
    return paths;
  });
  expect(kept).toContain('/offline');
  const common = /^\/(offline$|pkg\/|pic\/|icons\/|app\.js$|favicon\.svg$)/;
  expect(kept.filter((path) => !common.test(path))).toEqual([]);
  for (const path of ['/me', '/orders', '/basket', '/checkout', '/me/addresses']) {
    const answer = await page.request.get(shop().url + path);
    expect(answer.headers()['cache-control'], path).toContain('no-store');
  }
});
