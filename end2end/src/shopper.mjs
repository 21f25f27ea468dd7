// A shopper without a browser: what a spec needs to have happened before it
// begins is done by the shop's plain forms, which is quick and is itself what
// a browser without JavaScript does.
import { request } from '@playwright/test';

/** @typedef {import('./shop.mjs').Shop} Shop */
/** @typedef {Record<string, string>} Form */

let phones = 0;

/** A phone number that nobody has used yet in this run. */
export function newPhone() {
  phones += 1;
  return `139${String(process.pid % 10_000).padStart(4, '0')}${String(phones).padStart(4, '0')}`;
}

/** The attributes of every tag `name` of a page.
 * @param {string} html @param {string} name @returns {Form[]} */
function tags(html, name) {
  return [...html.matchAll(new RegExp(`<${name}\\b([^>]*)>`, 'g'))].map(([, inner]) => {
    const attributes = [...(inner ?? '').matchAll(/([\w-]+)(?:="([^"]*)")?/g)];
    return Object.fromEntries(attributes.map(([, key, value]) => [key, unescape(value ?? '')]));
  });
}

/** @param {string} html */
function unescape(html) {
  return html.replaceAll('&quot;', '"').replaceAll('&#x27;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

/** The form with the action given, as it would be sent if nothing were changed.
 * @param {string} html @param {string} action @returns {Form} */
function formOf(html, action) {
  const found = [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)].find(([, inner]) => inner?.includes(`action="${action}"`));
  if (!found?.[2]) throw new Error(`the page has no form for ${action}`);
  /** @type {Form} */
  const form = {};
  for (const input of tags(found[2], 'input')) {
    const ticked = !['radio', 'checkbox'].includes(input.type ?? '') || 'checked' in input;
    if (input.name && ticked && !('disabled' in input)) form[input.name] = input.value ?? '';
  }
  return form;
}

/** The text of a page without its tags.
 * @param {string} html */
function textOf(html) {
  return html.replace(/<(script|style)[\s\S]*?<\/\1>|<[^>]+>/g, ' ');
}

/** A browser's session, by HTTP alone. */
export class Shopper {
  /** @type {import('@playwright/test').APIRequestContext} */
  #http;
  #url;
  phone = '';

  /** @param {import('@playwright/test').APIRequestContext} http @param {string} url */
  constructor(http, url) {
    this.#http = http;
    this.#url = url;
  }

  /** A guest of the shop.
   * @param {Shop} shop @param {'zh-CN' | 'en'} [lang] */
  static async guest(shop, lang = 'zh-CN') {
    return new Shopper(await request.newContext({
      baseURL: shop.url,
      extraHTTPHeaders: { accept: 'text/html', 'accept-language': lang, 'sec-fetch-site': 'same-origin', origin: shop.url },
    }), shop.url);
  }

  /** A member with a new phone.
   * @param {Shop} shop @param {'zh-CN' | 'en'} [lang] */
  static async member(shop, lang = 'zh-CN') {
    const shopper = await Shopper.guest(shop, lang);
    await shopper.signIn(newPhone());
    return shopper;
  }

  /** @param {string} path */
  async page(path) {
    const answer = await this.#http.get(path);
    if (!answer.ok()) throw new Error(`${path}: ${answer.status()}`);
    return answer.text();
  }

  /** Sends a plain form; answers where it led. A refused form is an error.
   * @param {string} path @param {Form} form @param {string} [from] the page that it stands on */
  async post(path, form, from = '/') {
    const answer = await this.#http.post(path, { form, headers: { referer: new URL(from, this.#url).href } });
    if (!answer.ok() || answer.url().includes('__err=')) throw new Error(`${path}: ${answer.status()} ${answer.url()}`);
    return answer;
  }

  /** @param {string} phone */
  async signIn(phone) {
    this.phone = phone;
    await this.post('/api/account/request_code', { phone });
    const code = await this.sentCode(phone);
    await this.post('/api/account/sign_in', { code, back: '/me' });
  }

  /** The one-time code last sent to a phone, from the sandbox's message page.
   * @param {string} phone */
  async sentCode(phone) {
    // It is sent after the answer, by the outbox.
    const until = Date.now() + 10_000;
    for (;;) {
      const code = textOf(await this.page(`/sandbox/messages?phone=${phone}`)).match(/\b\d{6}\b/)?.[0];
      if (code) return code;
      if (Date.now() > until) throw new Error('the message page shows no code');
      await new Promise((next) => setTimeout(next, 100));
    }
  }

  /** The id of a SKU, by its code.
   * @param {string} code */
  async sku(code) {
    const html = await this.page(`/p/${code}`);
    const sku = tags(html, 'input').find((input) => input.name === 'sku')?.value;
    if (!sku) throw new Error(`/p/${code} has no form`);
    return sku;
  }

  /** How many packs of a SKU its page offers.
   * @param {string} code */
  async sellable(code) {
    const html = await this.page(`/p/${code}`);
    return Number(tags(html, 'input').find((input) => input.name === 'packs' && input.type === 'number')?.max ?? 0);
  }

  /** Puts packs of a SKU into the basket.
   * @param {string} code @param {number} [packs] */
  async add(code, packs = 1) {
    await this.post('/api/basket/add', { sku: await this.sku(code), packs: String(packs), back: '/basket' });
  }

  /** Places an order of what is in the basket for pick-up; answers its code.
   * @param {Form} [changes] fields of the checkout form to send differently */
  async order(changes = {}) {
    const html = await this.page('/checkout?kind=pickup');
    const form = { ...formOf(html, '/api/checkout/place'), ...changes };
    if (!form.slot) {
      const open = tags(html, 'input').find((input) => input.name === 'slot' && !('disabled' in input));
      form.slot = open?.value ?? '';
    }
    const answer = await this.post('/api/checkout/place', form, '/checkout?kind=pickup');
    const code = new URL(answer.url()).pathname.match(/^\/pay\/([^/]+)$/)?.[1];
    if (!code) throw new Error(`placing an order led to ${answer.url()}`);
    return code;
  }

  /** Opens a payment for an order; answers its number at the sandbox channel.
   * @param {string} code */
  async openPayment(code) {
    const answer = await this.post('/api/orders/pay', { code });
    const trade = new URL(answer.url()).pathname.match(/^\/sandbox\/pay\/([^/]+)$/)?.[1];
    if (!trade) throw new Error(`paying led to ${answer.url()}`);
    return trade;
  }

  /** Pays an order in the sandbox.
   * @param {string} code @param {string} [act] */
  async pay(code, act = 'pay') {
    await this.post('/api/sandbox/act', { trade_no: await this.openPayment(code), act });
  }

  /** Waits until the shop has heard of an order's payment: its wait page leads on to the order then.
   * @param {string} code */
  async paid(code) {
    const until = Date.now() + 20_000;
    for (;;) {
      const answer = await this.#http.get(`/pay/${code}`);
      if (new URL(answer.url()).pathname === `/orders/${code}`) return;
      if (Date.now() > until) throw new Error(`${code} is not paid`);
      await new Promise((next) => setTimeout(next, 100));
    }
  }

  /** The session's cookies, for a browser to go on with. */
  async cookies() {
    return (await this.#http.storageState()).cookies;
  }

  /** Ends it. */
  async close() {
    await this.#http.dispose();
  }
}
