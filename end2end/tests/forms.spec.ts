// Forms that are refused: the message is tied to its field, and what was typed
// stays. Orders that are sent twice, payments that go wrong in every way the
// sandbox knows, a keyboard alone, a slow network. With and without JavaScript.
import type { Locator, Page } from '@playwright/test';
import { GOODS, expectBasket, fillAddress, memberWith, openChoice, pressAt, search, signIn } from '../src/actions.ts';
import { newPhone, Shopper } from '../src/shopper.mjs';
import { expect, remember, serveShop, shop, test, words } from '../src/test.ts';
import { LANGS } from '../src/texts.ts';

serveShop();

const t = words('zh-CN');

/** The field is marked, and described by the message. */
async function expectRefused(field: Locator, message: string | RegExp, typed: string): Promise<void> {
  await expect(field).toHaveAttribute('aria-invalid', 'true');
  await expect(field).toHaveAccessibleDescription(message);
  await expect(field).toHaveValue(typed);
}

test.beforeEach(async ({ context }) => {
  await remember(context, 'zh-CN');
});

for (const lang of LANGS) {
  const words_ = words(lang);
  test(`${lang}: a phone that is none is refused where it was typed`, async ({ page, context }) => {
    await remember(context, lang);
    await page.goto('/sign-in');
    const phone = page.getByLabel(words_('member.phone'));
    await phone.fill('12345678901');
    await page.getByRole('button', { name: words_('member.send') }).click();
    await expectRefused(phone, new RegExp(words_('errors.bad_phone')), '12345678901');
    await expect(page.getByRole('alert').filter({ hasText: words_('errors.bad_phone') })).toBeVisible();
  });
}

test('a wrong code is refused, and the right one still works', async ({ page }) => {
  const phone = newPhone();
  await page.goto('/sign-in');
  await page.getByLabel(t('member.phone')).fill(phone);
  await page.getByRole('button', { name: t('member.send') }).click();
  const field = page.getByLabel(t('member.code'), { exact: true });
  const guest = await Shopper.guest(shop());
  const code = await guest.sentCode(phone);
  await guest.close();
  await field.fill(code === '000000' ? '111111' : '000000');
  await page.getByRole('button', { name: t('member.enter'), exact: true }).click();
  await expect(field).toHaveAccessibleDescription(new RegExp(t('errors.bad_code')));
  await expect(field).toHaveAttribute('aria-invalid', 'true');
  await field.fill(code);
  await page.getByRole('button', { name: t('member.enter'), exact: true }).click();
  await expect(page).toHaveURL(/\/me$/);
});

test('an address with a bad phone keeps the rest of what was typed', async ({ page }) => {
  await signIn(page, t);
  await page.goto('/me/addresses/new');
  await fillAddress(page, t);
  await page.getByLabel(t('member.phone')).fill('123');
  await page.getByRole('button', { name: t('words.save') }).click();
  await expectRefused(page.getByLabel(t('member.phone')), new RegExp(t('errors.bad_phone')), '123');
  await expect(page.getByLabel(t('member.recipient'))).toHaveValue('林小满');
  await expect(page.getByLabel(t('member.detail'))).toHaveValue('3 幢 502 室');
  await page.getByLabel(t('member.phone')).fill('13812345678');
  await page.getByRole('button', { name: t('words.save') }).click();
  await expect(page).toHaveURL(/\/me\/addresses$/);
  await expect(page.getByRole('main')).toContainText('3 幢 502 室');
});

test('a checkout without a slot is refused, and loses nothing', async ({ page }) => {
  const member = await memberWith(page, [GOODS.milk.code, 1]);
  await page.goto('/checkout?kind=pickup');
  await page.getByLabel(t('checkout.note')).fill('要新鲜的');
  await page.getByRole('button', { name: t('checkout.place') }).click();
  await expect(page.getByRole('alert').filter({ hasText: t('errors.slot_missing') })).toBeVisible();
  await expect(page.getByLabel(t('checkout.note'))).toHaveValue('要新鲜的');
  await member.close();
});

test('two submits of one checkout make one order', async ({ page, context }) => {
  const member = await memberWith(page, [GOODS.milk.code, 1]);
  // Two tabs show the same checkout; both are sent.
  const other = await context.newPage();
  for (const tab of [page, other]) {
    await tab.goto('/checkout?kind=pickup');
    await tab.getByRole('region', { name: t('checkout.slot') }).locator('input[type=radio]:enabled:visible').last().check();
  }
  const place = (tab: Page) => tab.getByRole('button', { name: t('checkout.place') }).dblclick();
  await Promise.all([place(page), place(other)]);
  // Whichever came first was taken; the other tab is told, or led to the same order.
  await expect(async () => expect([page, other].some((tab) => tab.url().includes('/pay/'))).toBe(true)).toPass();
  // In a third tab: the first two may still be on their way.
  const list = await context.newPage();
  await list.goto('/orders');
  await expect(list.getByRole('main').getByRole('link', { name: t.like('orders.see') })).toHaveCount(1);
  await member.close();
});

test('a keyboard alone searches, looks, and fills the basket', async ({ page }) => {
  await page.goto('/');
  // The first stop is the way past the header.
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: t('words.skip') })).toBeFocused();
  const box = page.getByLabel(t('site.search_label'));
  await tabTo(page, box);
  await page.keyboard.type('低脂鲜牛奶');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/search\?/);
  await tabTo(page, page.getByRole('main').getByRole('link', { name: GOODS.milk.zh }));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: GOODS.milk.zh })).toBeVisible();
  await tabTo(page, page.getByRole('main').getByRole('button', { name: t('catalogue.add') }).first());
  await page.keyboard.press('Enter');
  await expectBasket(page, t, 1);
});

/** Presses Tab until the element has the focus. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  const focused = () => target.evaluate((element) => element === document.activeElement);
  for (let i = 0; i < 80; i++) {
    if (await focused()) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`no way to ${String(target)} by Tab`);
}

test('on a slow network it still works', async ({ page, context }) => {
  const cdp = await context.newCDPSession(page);
  await cdp.send('Network.enable');
  // About a bad 3G: 400 ms there and back, 400 kbit/s.
  await cdp.send('Network.emulateNetworkConditions', { offline: false, latency: 400, downloadThroughput: 50_000, uploadThroughput: 25_000 });
  await page.goto('/', { waitUntil: 'commit' });
  await search(page, t, '低脂鲜牛奶');
  await page.getByRole('main').getByRole('link', { name: GOODS.milk.zh }).click();
  await expect(page.getByRole('heading', { level: 1, name: GOODS.milk.zh })).toBeVisible();
  await page.getByRole('main').getByRole('button', { name: t('catalogue.add') }).first().click();
  await expectBasket(page, t, 1);
});

test('a product says what happens if it is missing before anybody chooses', async ({ page }) => {
  const checked = (name: string) => choices.getByRole('radio', { name, exact: false });
  await page.goto(`/p/${GOODS.milk.code}`);
  let choices = await openChoice(page, t, GOODS.milk.zh);
  await expect(checked(t('marks.refund'))).toBeChecked();
  // A member's own default counts.
  const member = await memberWith(page);
  await member.post('/api/account/substitution_default', { choice: 'ask_me' });
  await page.goto(`/p/${GOODS.milk.code}`);
  choices = await openChoice(page, t, GOODS.milk.zh);
  await expect(checked(t('marks.ask_me'))).toBeChecked();
  await member.close();
});

test('a carton and a case do not read alike on an order', async ({ page }) => {
  const member = await memberWith(page, ['DU001', 1], ['DU002', 1]);
  const names: string[] = [];
  for (const sku of ['DU001', 'DU002']) {
    await page.goto(`/p/${sku}`);
    names.push(await page.getByRole('heading', { level: 1 }).innerText());
  }
  const code = await member.order();
  await page.goto(`/orders/${code}`);
  const lines = page.getByRole('region', { name: t('orders.lines') });
  for (const name of names) await expect(lines.getByRole('link', { name, exact: true })).toBeVisible();
  await page.goto('/orders');
  for (const name of names) await expect(page.getByRole('article').first()).toContainText(name);
  await member.close();
});

test('my page leads to coupons and messages', async ({ page }) => {
  const member = await memberWith(page);
  await page.goto('/me');
  await page.getByRole('main').getByRole('link', { name: t('member.coupons') }).click();
  await expect(page.getByRole('heading', { level: 1, name: t('member.coupons') })).toBeVisible();
  await expect(page.getByRole('main').getByRole('listitem').filter({ hasText: '新人券' })).toContainText('¥6');
  await page.goto('/me');
  await page.getByRole('main').getByRole('link', { name: t('member.messages') }).click();
  await expect(page.getByRole('heading', { level: 1, name: t('member.messages') })).toBeVisible();
  await expect(page.getByRole('main')).toContainText(t('member.no_messages'));
  await member.close();
});

test('a notice that was lost is asked for by the page that waits', async ({ page }) => {
  const member = await memberWith(page, [GOODS.bigMilk.code, 1]);
  const code = await member.order();
  await page.goto(`/pay/${code}`);
  await page.getByRole('button', { name: t('checkout.pay_go') }).click();
  await pressAt(page, t, 'lose');
  // No wait: the way back from the channel leads on at once.
  await expect(page).toHaveURL(new RegExp(`/orders/${code}$`), { timeout: 3_000 });
  await expect(page.getByRole('main').getByText(t('orders.paid'), { exact: true }).first()).toBeVisible();
  await member.close();
});

// What the sandbox can do to a payment, and how the order must stand then.
const ACTS = {
  pay: 'paid',
  deny: 'pending_payment',
  delay: 'paid',
  repeat: 'paid',
  lose: 'paid',
  misprice: 'pending_payment',
  forge: 'pending_payment',
} as const;

for (const [act, state] of Object.entries(ACTS)) {
  test(`sandbox: ${act} leaves the order ${state}`, async ({ page }) => {
    const member = await memberWith(page, [GOODS.bigMilk.code, 1]);
    const code = await member.order();
    await page.goto(`/pay/${code}`);
    await page.getByRole('button', { name: t('checkout.pay_go') }).click();
    await expect(page.getByRole('heading', { level: 1, name: t('sandbox.title') })).toBeVisible();
    await pressAt(page, t, act);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    // A late or lost notice: the shop asks the channel by itself, within seconds.
    await expect(async () => {
      await page.goto(`/orders/${code}`);
      const main = page.getByRole('main');
      await expect(main.getByText(t(`orders.${state}`), { exact: true }).first()).toBeVisible({ timeout: 1_000 });
    }).toPass({ timeout: 45_000 });
    const timeline = page.getByRole('region', { name: t('orders.timeline') });
    await expect(timeline.getByText(t('orders.ev_paid'), { exact: true })).toHaveCount(state === 'paid' ? 1 : 0);
    await member.close();
  });
}
