// A shop in which things have happened, for the specs that look at every page:
// a member with a filled basket and orders in several states.
import type { BrowserContext } from '@playwright/test';
import { Shopper } from './shopper.mjs';
import { shop } from './test.ts';
import type { Lang } from './texts.ts';

export type Cookies = Awaited<ReturnType<Shopper['cookies']>>;

/** What there is to look at. */
export interface Scene {
  /** The session of the member. */
  member: Cookies;
  phone: string;
  /** Order codes by their state. */
  orders: { unpaid: string; paid: string; short: string; cancelled: string };
  /** The payment at the sandbox channel of the unpaid order. */
  trade: string;
}

/** Makes a member with an address, orders (unpaid, paid, short of a line, cancelled) and a filled basket. */
export async function makeScene(): Promise<Scene> {
  const member = await Shopper.member(shop());
  await member.post('/api/account/name', { name: '林小满' });
  await member.post('/api/account/address_save', {
    id: '', name: '林小满', phone: member.phone, area: '西湖区 文三路 138 号', detail: '3 幢 502 室', lat: '30.2750', lon: '120.1300', is_default: 'true',
  });
  const order = async (...goods: [string, number][]) => {
    for (const [code, packs] of goods) await member.add(code, packs);
    return member.order();
  };
  const cancelled = await order(['DF005', 1]);
  await member.post('/api/orders/cancel', { code: cancelled });
  const short = await order(['DF003', 2], ['DU014', 2], ['DF007', 1]);
  await member.pay(short);
  await member.paid(short);
  await shop().command('short', short, '1', '1');
  const paid = await order(['DF003', 1], ['DF007', 1]);
  await member.pay(paid);
  await member.paid(paid);
  const unpaid = await order(['DU014', 1]);
  const trade = await member.openPayment(unpaid);
  for (const code of ['DF003', 'DF007', 'DC003']) await member.add(code, 1);
  await member.add('DU014', 2);
  const scene = { member: await member.cookies(), phone: member.phone, orders: { unpaid, paid, short, cancelled }, trade };
  await member.close();
  return scene;
}

/** A page of the shop: its name, its path, and who looks at it. */
export interface PageCase {
  name: string;
  path: (scene: Scene) => string;
  member?: boolean;
  status?: number;
}

/** Every page of the shop. */
export const PAGES: readonly PageCase[] = [
  { name: 'home', path: () => '/' },
  { name: 'categories', path: () => '/c' },
  { name: 'category', path: () => '/c/dairy' },
  { name: 'search', path: () => `/search?q=${encodeURIComponent('牛奶')}` },
  { name: 'search-nothing', path: () => '/search?q=zzzzzz' },
  { name: 'deals', path: () => '/deals' },
  { name: 'product', path: () => '/p/DF003' },
  { name: 'product-variants', path: () => '/p/DU002' },
  { name: 'stores', path: () => '/stores' },
  { name: 'settings', path: () => '/settings' },
  { name: 'about', path: () => '/about' },
  { name: 'offline', path: () => '/offline' },
  { name: 'not-found', path: () => '/no-such-page', status: 404 },
  { name: 'product-not-found', path: () => '/p/NOSUCH', status: 404 },
  { name: 'sign-in', path: () => '/sign-in' },
  { name: 'basket-empty', path: () => '/basket' },
  { name: 'me-guest', path: () => '/me' },
  { name: 'home-member', path: () => '/', member: true },
  { name: 'basket', path: () => '/basket', member: true },
  { name: 'checkout', path: () => '/checkout', member: true },
  { name: 'checkout-pickup', path: () => '/checkout?kind=pickup', member: true },
  { name: 'pay', path: ({ orders }) => `/pay/${orders.unpaid}`, member: true },
  { name: 'orders', path: () => '/orders', member: true },
  { name: 'order-unpaid', path: ({ orders }) => `/orders/${orders.unpaid}`, member: true },
  { name: 'order-paid', path: ({ orders }) => `/orders/${orders.paid}`, member: true },
  { name: 'order-short', path: ({ orders }) => `/orders/${orders.short}`, member: true },
  { name: 'order-cancelled', path: ({ orders }) => `/orders/${orders.cancelled}`, member: true },
  { name: 'me', path: () => '/me', member: true },
  { name: 'addresses', path: () => '/me/addresses', member: true },
  { name: 'address-new', path: () => '/me/addresses/new', member: true },
  { name: 'coupons', path: () => '/me/coupons', member: true },
  { name: 'messages', path: () => '/me/messages', member: true },
  { name: 'substitutes', path: () => '/me/substitutes', member: true },
  { name: 'sandbox-payment', path: ({ trade }) => `/sandbox/pay/${trade}` },
  { name: 'sandbox-messages', path: ({ phone }) => `/sandbox/messages?phone=${phone}` },
];

/** Makes a browser the guest or member that the page is for. */
export async function become(context: BrowserContext, scene: Scene, member: boolean, lang: Lang, theme?: 'light' | 'dark'): Promise<void> {
  await context.clearCookies();
  const cookies: { name: string; value: string; url: string }[] = [{ name: 'lang', value: lang, url: shop().url }];
  if (theme) cookies.push({ name: 'theme', value: theme, url: shop().url });
  await context.addCookies(cookies);
  if (member) await context.addCookies(scene.member.filter(({ name }) => !['lang', 'theme'].includes(name)));
}
