// The same shop on PostgreSQL: bought, paid, short, cancelled, and its books
// proved. Where ZAIJIA_TEST_POSTGRES names a server; in a schema of its own.
import { execFileSync } from 'node:child_process';
import { Shopper } from '../src/shopper.mjs';
import { expect, serveShop, shop, test, words } from '../src/test.ts';

const database = process.env.ZAIJIA_TEST_POSTGRES;
test.skip(!database, 'ZAIJIA_TEST_POSTGRES names no server');
if (database) {
  const schema = `e2e_${process.pid}_${Date.now().toString(36)}`;
  const psql = (statement: string) => execFileSync('psql', [database, '--quiet', '--command', statement], { stdio: 'inherit' });
  test.beforeAll('make the schema', () => psql(`CREATE SCHEMA ${schema}`));
  serveShop({ database, schema });
  test.afterAll('drop the schema', () => psql(`SET client_min_messages TO warning; DROP SCHEMA ${schema} CASCADE`));
}

const t = words('zh-CN');

test('an order is placed, paid, short of a line; another is cancelled', async ({ page }) => {
  const member = await Shopper.member(shop());
  await page.context().addCookies(await member.cookies());
  await page.goto('/search?q=nn');
  await expect(page.getByRole('main').getByRole('link', { name: /牛奶/ }).first()).toBeVisible();

  await member.add('DF003', 3);
  await member.add('DU014', 1);
  const short = await member.order();
  await member.pay(short);
  await expect(async () => {
    await page.goto(`/orders/${short}`);
    await expect(page.getByRole('main').getByText(t('orders.paid'), { exact: true }).first()).toBeVisible({ timeout: 1_000 });
  }).toPass({ timeout: 20_000 });
  await shop().command('short', short, '1', '1');
  await page.reload();
  await expect(page.getByRole('region', { name: t('orders.refunds') })).toContainText(t('orders.reason_shortage'));

  await member.add('DF007', 2);
  const cancelled = await member.order();
  await member.post('/api/orders/cancel', { code: cancelled });
  await page.goto(`/orders/${cancelled}`);
  await expect(page.getByRole('main').getByText(t('orders.cancelled'), { exact: true }).first()).toBeVisible();
  // It was never paid, and nothing is owed.
  await expect(page.getByRole('main').getByText(t('basket.total'), { exact: true })).toBeVisible();
  await expect(page.getByRole('main').getByText(t('orders.to_pay'), { exact: true })).toHaveCount(0);
  await member.close();
});
