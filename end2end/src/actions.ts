// What a shopper does on the way to most things: signing in, filling the
// basket, placing and paying an order. By role and label only.
import { expect, type Page } from '@playwright/test';
import { shop, type Words } from './test.ts';

/** Goods of the demo supermarket, with plenty on the shelf of the first store. */
export const GOODS = {
  milk: { code: 'DF003', zh: '低脂鲜牛奶', en: 'Fresh low-fat milk' },
  otherMilk: { code: 'DF005', zh: '零乳糖鲜牛奶', en: 'Fresh lactose-free milk' },
  bigMilk: { code: 'DF007', zh: '在架优选鲜牛奶', en: 'Zaijia Select fresh milk' },
  powder: { code: 'DU014', zh: '全脂奶粉', en: 'Whole milk powder' },
  coffee: { code: 'WC003', zh: '冷萃黑咖啡', en: 'Cold-brew black coffee' },
} as const;

export type Goods = (typeof GOODS)[keyof typeof GOODS];

let phones = 0;

/** A phone number that nobody has used yet in this run. */
export function newPhone(): string {
  phones += 1;
  return `139${String(process.pid % 10_000).padStart(4, '0')}${String(phones).padStart(4, '0')}`;
}

/** Finishes a sign-in on the sign-in page: the code is read on the sandbox's message page. */
export async function signInHere(page: Page, t: Words, phone: string): Promise<void> {
  await page.getByLabel(t('member.phone')).fill(phone);
  await page.getByRole('button', { name: t('member.send') }).click();
  const field = page.getByLabel(t('member.code'), { exact: true });
  await expect(field).toBeVisible();
  const messages = await page.context().newPage();
  await messages.goto(`${shop().url}/sandbox/messages?phone=${phone}`);
  const code = (await messages.getByRole('main').innerText()).match(/\b\d{6}\b/)?.[0];
  await messages.close();
  expect(code, 'the message page shows the code').toBeDefined();
  await field.fill(code ?? '');
  await page.getByRole('button', { name: t('member.enter'), exact: true }).click();
  await expect(page).not.toHaveURL(/sign-in/);
}

/** Signs in, and ends on `back`. */
export async function signIn(page: Page, t: Words, phone = newPhone(), back = '/me'): Promise<string> {
  await page.goto(`/sign-in?back=${encodeURIComponent(back)}`);
  await signInHere(page, t, phone);
  return phone;
}
