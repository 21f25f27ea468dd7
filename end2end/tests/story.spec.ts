// The shopper's story, whole, by role and label: search, choose what shall
// happen if it is missing, basket, sign in, slot, coupon, pay, watch the order,
// cancel it or buy it again. In every project: phone and desktop, with and
// without JavaScript; in both languages.
import { addHere, fillAddress, GOODS, openChoice, payHere, search, signInHere } from '../src/actions.ts';
import { newPhone } from '../src/shopper.mjs';
import { complaints, expect, remember, serveShop, test, words } from '../src/test.ts';
import { LANGS } from '../src/texts.ts';

serveShop();

for (const lang of LANGS) {
  const t = words(lang);

  test(`${lang}: from a search to a paid order, and cancelled`, async ({ page, context, scripts }) => {
    const heard = complaints(page);
    await remember(context, lang);

    await test.step('search, and look at a product', async () => {
      await page.goto('/');
      await search(page, t, t.pick('牛奶', 'milk'));
      await expect(page.getByRole('heading', { level: 1 })).toContainText(t.pick('牛奶', 'milk'));
      await page.getByRole('main').getByRole('link', { name: t.pick(GOODS.milk.zh, GOODS.milk.en) }).click();
      await expect(page.getByRole('heading', { level: 1, name: t.pick(GOODS.milk.zh, GOODS.milk.en) })).toBeVisible();
      await expect(page.getByRole('main').getByText(t('words.in_stock'), { exact: true }).first()).toBeVisible();
    });

    await test.step('choose what shall happen if it is missing, and put three in', async () => {
      const choices = await openChoice(page, t, t.pick(GOODS.milk.zh, GOODS.milk.en));
      await choices.getByRole('radio', { name: t('marks.ask_me') }).check();
      await page.getByRole('button', { name: t('catalogue.save_choice') }).click();
      await page.getByLabel(t('words.quantity_of', { name: t.pick(GOODS.milk.zh, GOODS.milk.en) })).fill('3');
      await addHere(page, t, 3);
    });

    await test.step('the basket says what it costs, and remembers the choice', async () => {
      await page.goto('/basket');
      const line = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: t.pick(GOODS.milk.zh, GOODS.milk.en) }) });
      await expect(line.getByLabel(t('words.quantity_of', { name: t.pick(GOODS.milk.zh, GOODS.milk.en) }))).toHaveValue('3');
      await expect(line).toContainText(t('marks.ask_me'));
      await expect(page.getByRole('region', { name: t('basket.totals') })).toContainText('¥52.50');
      await page.getByRole('link', { name: t.like('basket.checkout_n') }).click();
    });

    await test.step('sign in on the way, and come back to the checkout', async () => {
      await expect(page).toHaveURL(/\/sign-in\?back=/);
      await signInHere(page, t, newPhone());
      await expect(page.getByRole('heading', { level: 1, name: t('checkout.title') })).toBeVisible();
    });

    await test.step('address, slot, coupon', async () => {
      await fillAddress(page, t);
      // The first slot that is open; slots close and fill up with the day.
      await page.getByRole('region', { name: t('checkout.slot') }).locator('input[type=radio]:enabled:visible').last().check();
      const coupons = page.getByRole('group', { name: t('checkout.coupons') });
      await coupons.getByRole('radio', { name: t.pick('新人券', 'Welcome coupon') }).check();
      const recalculate = coupons.getByRole('button', { name: t('checkout.recalculate') });
      if (await recalculate.isVisible()) await recalculate.click();
      // 3 × 17.50, 6 off from 39, delivery 6.
      const sums = page.getByRole('region', { name: t('basket.totals') });
      await expect(sums).toContainText('−¥6.00');
      await expect(sums.getByText(t('basket.payable')).locator('..')).toContainText('52.50');
    });

    await test.step('place and pay', async () => {
      await page.getByRole('button', { name: t('checkout.place') }).click();
      await expect(page).toHaveURL(/\/pay\//);
      await expect(page.getByRole('heading', { level: 1, name: t('checkout.pay_title') })).toBeVisible();
      await expect(page.getByRole('main')).toContainText('52.50');
      await payHere(page, t);
    });

    await test.step('the order shows itself, and is cancelled', async () => {
      // With scripts the page that waits goes on by itself; without, it is asked again.
      await expect(async () => {
        if (!scripts && page.url().includes('/pay/')) await page.getByRole('link', { name: t('checkout.pay_refresh') }).click();
        await expect(page).toHaveURL(/\/orders\//, { timeout: 2_000 });
      }).toPass({ timeout: 20_000 });
      const main = page.getByRole('main');
      await expect(page.getByRole('heading', { level: 1, name: t.like('orders.order_title') })).toBeVisible();
      await expect(main.getByText(t('orders.paid'), { exact: true }).first()).toBeVisible();
      const lines = main.getByRole('region', { name: t('orders.lines') });
      await expect(lines).toContainText('× 3');
      await expect(lines.getByRole('link', { name: t.pick(GOODS.milk.zh, GOODS.milk.en) })).toBeVisible();
      await main.getByText(t('orders.cancel'), { exact: true }).click();
      await main.getByRole('button', { name: t('orders.cancel_yes') }).click();
      await expect(main.getByText(t('orders.cancelled'), { exact: true }).first()).toBeVisible();
      await expect(main).toContainText(t('orders.reason_cancelled'));
    });

    await test.step('buy it again', async () => {
      await page.getByRole('button', { name: t('orders.buy_again') }).click();
      await expect(page).toHaveURL(/\/basket/);
      await expect(page.getByLabel(t('words.quantity_of', { name: t.pick(GOODS.milk.zh, GOODS.milk.en) }))).toHaveValue('3');
    });
    expect(heard).toEqual([]);
  });
}
