// A shopper in a hurry on a slow network: taps come before the answers to the
// taps before them, pages come back from the browser's cache, and an answer is
// lost. Nothing is lost with it, and the page ends up true.
import type { Page } from '@playwright/test';
import { GOODS, expectBasket, memberWith } from '../src/actions.ts';
import { expect, remember, serveShop, test, words } from '../src/test.ts';

serveShop();

const t = words('zh-CN');
const LATE_MS = 700;

/** Answers of these paths come late. */
async function slow(page: Page, path: RegExp): Promise<void> {
  await page.route(path, async (route) => {
    await new Promise((next) => setTimeout(next, LATE_MS));
    await route.continue();
  });
}

/** Islands listen once the page's WASM runs: then the badge's number is kept in the browser. */
async function awake(page: Page): Promise<void> {
  await page.waitForFunction(() => localStorage.getItem('zaijia.badge') !== null);
}

test.beforeEach(async ({ context }) => {
  await remember(context, 'zh-CN');
});

test('two quick taps of a new guest fill one basket', async ({ page }) => {
  await page.goto('/search?q=%E7%BA%AF%E7%89%9B%E5%A5%B6');
  await awake(page);
  await slow(page, /\/api\/basket\/add/);
  const cards = page.getByRole('main').getByRole('button', { name: t.like('words.add_named') });
  await cards.nth(0).click();
  await cards.nth(1).click();
  await expectBasket(page, t, 2);
  await page.goto('/basket');
  await expect(page.getByRole('main').getByRole('spinbutton')).toHaveCount(2);
});

test('a page that comes back says what is in the basket now', async ({ page }) => {
  await page.goto('/');
  await awake(page);
  await page.goto(`/p/${GOODS.milk.code}`);
  await page.getByRole('main').getByRole('button', { name: t('catalogue.add') }).first().click();
  await expectBasket(page, t, 1);
  await page.goBack();
  await expect(page).toHaveURL(/\/$/);
  await expectBasket(page, t, 1);
});

test('two quick taps on “fewer” leave one', async ({ page }) => {
  const member = await memberWith(page, [GOODS.milk.code, 2]);
  await page.goto('/basket');
  await awake(page);
  await slow(page, /\/api\/basket\/set/);
  const fewer = page.getByRole('button', { name: t('basket.less_of', { name: GOODS.milk.zh }) });
  // By script: a disabled button would be waited for.
  await fewer.evaluate((button: HTMLButtonElement) => {
    button.click();
    button.click();
  });
  await expectBasket(page, t, 1);
  await page.waitForTimeout(2 * LATE_MS);
  await page.reload();
  await expect(page.getByRole('main').getByRole('spinbutton')).toHaveValue('1');
  await member.close();
});

test('what is chosen while pick-up is being asked for keeps the pick-up', async ({ page }) => {
  const member = await memberWith(page, ['DU002', 2]);
  await page.goto('/checkout');
  await awake(page);
  await slow(page, /\/checkout/);
  await page.getByRole('button', { name: t('marks.pickup') }).click();
  await page.getByRole('group', { name: t('checkout.coupons') }).getByRole('radio', { name: t('checkout.no_coupon') }).check();
  await expect(page.getByText(t('checkout.pickup_at'))).toBeVisible();
  await page.waitForTimeout(3 * LATE_MS);
  await expect(page.getByText(t('checkout.pickup_at'))).toBeVisible();
  await page.reload();
  await expect(page.getByText(t('checkout.pickup_at'))).toBeVisible();
  await member.close();
});

test('what could not be fetched is shown once the shop answers again', async ({ page }) => {
  const member = await memberWith(page, ['DU014', 1]);
  const code = await member.order();
  await page.goto(`/orders/${code}`);
  await awake(page);
  let refused = 0;
  const own = new RegExp(`/orders/${code}$`);
  await page.route(own, async (route) => {
    refused += 1;
    await route.abort();
  });
  await member.pay(code);
  await expect.poll(() => refused).toBeGreaterThan(0);
  const main = page.getByRole('main');
  await expect(main.getByText(t('orders.pending_payment'), { exact: true }).first()).toBeVisible();
  await page.unroute(own);
  await expect(main.getByText(t('orders.paid'), { exact: true }).first()).toBeVisible({ timeout: 30_000 });
  await member.close();
});
