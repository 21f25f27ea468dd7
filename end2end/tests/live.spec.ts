// The truth on an open page. The rule: what a page shows changes within one
// second of the commit that caused it, without a reload. Here a browser, a
// server and another browser share two noisy cores, so three are allowed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { Shopper } from '../src/shopper.mjs';
import { expect, remember, serveShop, shop, test, words } from '../src/test.ts';

serveShop();

const t = words('zh-CN');
const STORE = 'wensan';
const WITHIN_MS = 3_000;

let batches = 0;

/** The tills of the store sell `packs` of a SKU now. */
async function sellAtTill(sku: string, packs: number): Promise<void> {
  batches += 1;
  const answer = await shop().feed('sales', {
    store: STORE,
    key: `live-${process.pid}-${batches}`,
    rows: [{ sku, at: new Date().toISOString(), quantity: packs }],
  });
  expect(answer).toMatchObject({ applied: 1, bad: [] });
}

/** Opens a product's page; answers its state mark. A page that is loaded again loses its marker. */
async function watch(page: Page, code: string) {
  await page.goto(`/p/${code}`);
  await page.evaluate(() => Object.assign(window, { sameDocument: true }));
  return page.getByRole('main').getByText(/^(有货|仅剩 \d+|可能缺货|售罄)$/).first();
}

const sameDocument = (page: Page) => page.evaluate(() => 'sameDocument' in window);

/** Brings the sellable number of a product that is plenty down to `left`, by the tills. */
async function leave(member: Shopper, code: string, left: number): Promise<void> {
  const most = await member.sellable(code);
  expect(most, `${code} is plenty`).toBeGreaterThan(left);
  await sellAtTill(code, most - left);
}

test.beforeEach(async ({ context }) => {
  await remember(context, 'zh-CN');
});

test("one browser's purchase changes the other's page", async ({ page, browser }) => {
  const buyer = await Shopper.member(shop());
  await leave(buyer, 'DC001', 5);
  const state = await watch(page, 'DC001');
  await expect(state).toHaveText(t('words.only_left', { n: 5 }));

  await buyer.add('DC001', 3);
  const other = await browser.newContext();
  await other.addCookies(await buyer.cookies());
  const checkout = await other.newPage();
  await checkout.goto(`${shop().url}/checkout?kind=pickup`);
  await checkout.getByRole('region', { name: t('checkout.slot') }).locator('input[type=radio]:enabled:visible').last().check();
  // In the basket nothing is taken from anybody: only an order reserves.
  await expect(state).toHaveText(t('words.only_left', { n: 5 }));
  await checkout.getByRole('button', { name: t('checkout.place') }).click();
  await checkout.waitForURL(/\/pay\//);
  await expect(state).toHaveText(t('words.only_left', { n: 2 }), { timeout: WITHIN_MS });

  // Called off, the goods are back on the page.
  const code = new URL(checkout.url()).pathname.split('/').at(-1) ?? '';
  await buyer.post('/api/orders/cancel', { code });
  await expect(state).toHaveText(t('words.only_left', { n: 5 }), { timeout: WITHIN_MS });
  expect(await sameDocument(page)).toBe(true);
  await other.close();
  await buyer.close();
});

test('the tills empty a shelf on an open page, and the checkout asks for a substitute', async ({ page, browser }) => {
  const member = await Shopper.member(shop());
  await member.add('DC003', 2);
  await member.add('DF007', 1);
  const other = await browser.newContext();
  await other.addCookies(await member.cookies());
  const checkout = await other.newPage();
  await checkout.goto(`${shop().url}/checkout?kind=pickup`);
  await checkout.getByRole('region', { name: t('checkout.slot') }).locator('input[type=radio]:enabled:visible').last().check();

  const state = await watch(page, 'DC003');
  const add = page.getByRole('main').getByRole('button', { name: t('catalogue.add') }).first();
  await expect(state).toHaveText(t('words.in_stock'));
  await leave(member, 'DC003', 3);
  await expect(state).toHaveText(t('words.only_left', { n: 3 }), { timeout: WITHIN_MS });
  await expect(add).toBeEnabled();
  await sellAtTill('DC003', 3);
  await expect(state).toHaveText(t('words.sold_out'), { timeout: WITHIN_MS });
  await expect(add).toBeDisabled();
  expect(await sameDocument(page)).toBe(true);

  // The checkout that is open says so by itself, and offers what can stand in.
  const short = checkout.getByRole('alert').filter({ hasText: t('checkout.short_title') });
  await expect(short).toContainText(t('checkout.gone_text', { name: '儿童奶酪棒（原味） 100g' }), { timeout: WITHIN_MS });
  const swap = short.getByRole('button', { name: t.like('checkout.swap_named') }).first();
  const name = (await swap.getAttribute('aria-label'))?.replace(t('checkout.swap_named', { name: '' }), '') ?? '';
  await swap.click();
  await expect(short).toBeHidden();
  await expect(checkout.getByRole('main').getByRole('listitem').filter({ hasText: name }).first()).toContainText('× 2');
  await checkout.getByRole('region', { name: t('checkout.slot') }).locator('input[type=radio]:enabled:visible').last().check();
  await checkout.getByRole('button', { name: t('checkout.place') }).click();
  await expect(checkout).toHaveURL(/\/pay\//);
  await other.close();
  await member.close();
});

test('after the server was away the page catches up by itself', async ({ page }) => {
  const state = await watch(page, 'DF007');
  await expect(state).toHaveText(t('words.in_stock'));
  await shop().stop();
  // While nobody can tell the page, a count finds almost nothing on the shelf.
  const folder = mkdtempSync(join(tmpdir(), 'zaijia-count-'));
  writeFileSync(join(folder, 'stock.csv'), `store,pool,on_hand,as_of,kind\n${STORE},DF007,0,${new Date().toISOString()},count\n`);
  await shop().command('import', folder);
  rmSync(folder, { recursive: true });
  await shop().start();
  // A browser tries again after some seconds, longer each time.
  await expect(state).toHaveText(t('words.sold_out'), { timeout: 45_000 });
  expect(await sameDocument(page)).toBe(true);
});

test('an order on an open page follows its payment', async ({ page }) => {
  const member = await Shopper.member(shop());
  await member.add('DU014', 1);
  const code = await member.order();
  await page.context().addCookies(await member.cookies());
  await page.goto(`/orders/${code}`);
  await page.evaluate(() => Object.assign(window, { sameDocument: true }));
  const main = page.getByRole('main');
  await expect(main.getByText(t('orders.pending_payment'), { exact: true }).first()).toBeVisible();
  await member.pay(code);
  await expect(main.getByText(t('orders.paid'), { exact: true }).first()).toBeVisible({ timeout: WITHIN_MS });
  expect(await sameDocument(page)).toBe(true);
  await member.close();
});

test('what is typed while the checkout is worked out anew stays, and so does the caret', async ({ page, context }) => {
  const member = await Shopper.member(shop());
  await member.add('DU002', 2);
  await context.addCookies(await member.cookies());
  await page.goto('/checkout?kind=pickup');
  const note = page.getByLabel(t('checkout.note'));
  await note.fill('香蕉青一点');
  let answers = 0;
  await page.route(/\/checkout$/, async (route) => {
    // The server's page is under way for as long as it takes to type.
    const answer = await route.fetch();
    await new Promise((next) => setTimeout(next, 1_500));
    answers += 1;
    await route.fulfill({ response: answer });
  });
  const coupons = page.getByRole('group', { name: t('checkout.coupons') });
  const asked = page.waitForRequest((request) => request.method() === 'GET' && new URL(request.url()).pathname === '/checkout');
  await coupons.getByRole('radio', { name: t('checkout.no_coupon') }).check();
  await asked;
  await note.focus();
  await page.keyboard.press('End');
  await page.keyboard.type('，鸡蛋要日期新的');
  await page.keyboard.press('ArrowLeft');
  const before = await note.elementHandle();
  await expect.poll(() => answers).toBe(1);
  // The part is another one now; the text, the focus and the caret are as they were.
  await expect.poll(async () => before?.evaluate((element) => element.isConnected)).toBe(false);
  await expect(note).toHaveValue('香蕉青一点，鸡蛋要日期新的');
  await expect(note).toBeFocused();
  expect(await note.evaluate((element: HTMLTextAreaElement) => element.selectionStart)).toBe(12);
  await expect(coupons.getByRole('radio', { name: t('checkout.no_coupon') })).toBeChecked();
  await member.close();
});
