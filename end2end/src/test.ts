// The `test` of every spec: a shop of the spec file's own, whose books are
// proved when the file is through, and the words of the language at hand.
import { test as base, expect, type BrowserContext, type ConsoleMessage, type Page } from '@playwright/test';
import { Shop } from './shop.mjs';
import { text, pattern, type Lang } from './texts.ts';

let open: Shop | undefined;

/** The shop that the spec file at hand runs against. */
export function shop(): Shop {
  if (!open) throw new Error('no shop: call serveShop() at the top of the spec file');
  return open;
}

/** Opens a shop before the spec file's tests, and proves its books after them. */
export function serveShop(postgres?: { database: string; schema: string }): void {
  base.beforeAll('open a shop', async () => {
    open = await Shop.open(postgres ? { postgres } : { template: process.env.ZAIJIA_TEMPLATE });
  });
  base.afterAll('zaijia check', async () => {
    const closing = open;
    open = undefined;
    await closing?.close();
  });
}

/** The texts of one language. */
export interface Words {
  readonly lang: Lang;
  /** The text `file.key` with its values filled in. */
  (key: string, values?: Record<string, string | number>): string;
  /** The text `file.key` with any values. */
  like(key: string): RegExp;
  /** One of a pair: Chinese or English. */
  pick(zh: string, en: string): string;
}

export function words(lang: Lang): Words {
  const say = (key: string, values?: Record<string, string | number>) => text(lang, key, values);
  return Object.assign(say, {
    lang,
    like: (key: string) => pattern(lang, key),
    pick: (zh: string, en: string) => (lang === 'en' ? en : zh),
  });
}

/** Keeps the language (and the colours) of a browser, as the settings page does. */
export async function remember(context: BrowserContext, lang: Lang, theme?: 'light' | 'dark'): Promise<void> {
  const cookies = [{ name: 'lang', value: lang as string, url: shop().url }];
  if (theme) cookies.push({ name: 'theme', value: theme, url: shop().url });
  await context.addCookies(cookies);
}

/** Whatever a page complains of in the console; a spec asserts that it stays empty. */
export function complaints(page: Page): string[] {
  const found: string[] = [];
  page.on('pageerror', (error) => {
    // A spec goes on before the browser has finished turning the page: that turn is given up.
    if (!/transition was (aborted|skipped)/i.test(error.message)) found.push(`${page.url()}: ${error.message}`);
  });
  page.on('console', (message: ConsoleMessage) => {
    if (['error', 'warning'].includes(message.type())) found.push(`${page.url()}: ${message.text()}`);
  });
  return found;
}

interface Fixtures {
  /** Does this project run scripts? */
  scripts: boolean;
}

export const test = base.extend<Fixtures>({
  baseURL: async ({}, use) => use(open?.url),
  scripts: async ({ javaScriptEnabled }, use) => use(javaScriptEnabled),
});

export { expect };
