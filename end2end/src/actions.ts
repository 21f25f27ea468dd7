// What a shopper does on the way to most things: signing in, filling the
// basket, placing and paying an order. By role and label only.
import { expect, type Locator, type Page } from '@playwright/test';
import { newPhone, Shopper } from './shopper.mjs';
import { shop, type Words } from './test.ts';

/** Goods of the demo supermarket, with plenty on the shelf of the first store. */
export const GOODS = {
  milk: { code: 'DF003', zh: '低脂鲜牛奶 950ml', en: 'Fresh low-fat milk 950 ml' },
  bigMilk: { code: 'DF007', zh: '在架优选鲜牛奶 1.5L', en: 'Zaijia Select fresh milk 1.5 L' },
} as const;

export type Goods = (typeof GOODS)[keyof typeof GOODS];

/** Finishes a sign-in on the sign-in page: the code is read on the sandbox's message page. */
export async function signInHere(page: Page, t: Words, phone: string): Promise<void> {
  await page.getByLabel(t('member.phone')).fill(phone);
  await page.getByRole('button', { name: t('member.send') }).click();
  const field = page.getByLabel(t('member.code'), { exact: true });
  await expect(field).toBeVisible();
  const reader = await Shopper.guest(shop());
  await field.fill(await reader.sentCode(phone));
  await reader.close();
  await page.getByRole('button', { name: t('member.enter'), exact: true }).click();
  await expect(page).not.toHaveURL(/sign-in/);
}

/** Signs in, and ends on `back`. */
export async function signIn(page: Page, t: Words, phone = newPhone(), back = '/me'): Promise<string> {
  await page.goto(`/sign-in?back=${encodeURIComponent(back)}`);
  await signInHere(page, t, phone);
  return phone;
}

/** Goes on in the browser as a member who has `goods` in the basket. */
export async function memberWith(page: Page, ...goods: [string, number][]): Promise<Shopper> {
  const member = await Shopper.member(shop());
  for (const [code, packs] of goods) await member.add(code, packs);
  await page.context().addCookies(await member.cookies());
  return member;
}

/** Searches by the box in the header. */
export async function search(page: Page, t: Words, words: string): Promise<void> {
  await page.getByLabel(t('site.search_label')).fill(words);
  await page.getByRole('search').getByRole('button', { name: t('words.search') }).click();
}

/** How many packs the way to the basket tells: a tab, or on a phone's product page the bar. */
export async function expectBasket(page: Page, t: Words, packs: number): Promise<void> {
  const name = new RegExp(`^${t('words.basket')}`);
  await expect(page.getByRole('link', { name }).first()).toContainText(String(packs));
}

/** Puts the product whose page is open into the basket, where there are `packs` then. */
export async function addHere(page: Page, t: Words, packs: number): Promise<void> {
  await page.getByRole('main').getByRole('button', { name: t('catalogue.add') }).first().click();
  await expectBasket(page, t, packs);
}

/** The radios of "if missing", opened if they are folded. */
export async function openChoice(page: Page, t: Words, name: string): Promise<Locator> {
  const choices = page.getByRole('group', { name: t('basket.if_missing_of', { name }) });
  if (!(await choices.isVisible())) await page.getByRole('main').getByText(t('catalogue.if_missing'), { exact: true }).click();
  await expect(choices).toBeVisible();
  return choices;
}

/** Fills in an address near the first store. */
export async function fillAddress(page: Page, t: Words): Promise<void> {
  await page.getByLabel(t('member.recipient')).fill(t.pick('林小满', 'Lin Xiaoman'));
  await page.getByLabel(t('member.phone')).fill('13812345678');
  await page.getByLabel(t('member.area')).fill(t.pick('西湖区 文三路 138 号', '138 Wensan Road, Xihu'));
  await page.getByLabel(t('member.detail')).fill(t.pick('3 幢 502 室', 'Room 502, Building 3'));
}

/** From the page that waits for the payment to the sandbox channel, and through it. */
export async function payHere(page: Page, t: Words, act = 'pay'): Promise<void> {
  await page.getByRole('button', { name: t('checkout.pay_go') }).click();
  await expect(page.getByRole('heading', { level: 1, name: t('sandbox.title') })).toBeVisible();
  await pressAt(page, t, act);
}

/** Presses a button of the sandbox channel's page. */
export async function pressAt(page: Page, t: Words, act: string): Promise<void> {
  const name = t(`sandbox.${act}`);
  await page.getByRole('main').getByRole('button', { name: new RegExp(`^${name}`) }).click();
}
