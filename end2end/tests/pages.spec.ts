// Every page, on a phone: no finding of axe (WCAG 2.2 AA, contrast on) in light
// and dark and in both languages; landmarks, headings and controls as kept in
// `aria/`; one h1, a title, the language, the status; a silent console.
import { AxeBuilder } from '@axe-core/playwright';
import { complaints, expect, serveShop, test } from '../src/test.ts';
import { become, makeScene, PAGES, type Scene } from '../src/state.ts';
import { LANGS } from '../src/texts.ts';

serveShop();

let scene: Scene;
test.beforeAll('fill the shop', async () => {
  scene = await makeScene();
});

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
// What is seen on a control is part of what is heard: axe counts it as an experiment.
const RULES = { rules: { 'label-content-name-mismatch': { enabled: true } } };

for (const { name, path, member = false, status = 200 } of PAGES) {
  test(name, async ({ page, context }) => {
    const heard = complaints(page);
    for (const lang of LANGS) {
      for (const theme of ['light', 'dark'] as const) {
        await test.step(`${lang}, ${theme}`, async () => {
          await become(context, scene, member, lang, theme);
          const answer = await page.goto(path(scene));
          expect(answer?.status()).toBe(status);
          await expect(page.locator('html')).toHaveAttribute('lang', lang);
          await expect(page.getByRole('heading', { level: 1 })).toHaveCount(1);
          await expect(page).toHaveTitle(/\S+ · (在架|Zaijia)$|^(在架|Zaijia)/);
          const { violations } = await new AxeBuilder({ page }).options(RULES).withTags(TAGS).analyze();
          const findings = violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')}: ${node.failureSummary}`));
          expect(findings).toEqual([]);
        });
      }
    }
    // The browser itself reports the status of a page that is not found.
    expect(heard.filter((complaint) => status === 200 || !complaint.includes(`status of ${status}`))).toEqual([]);
  });

  test(`${name}: what is heard`, async ({ page, context }) => {
    await become(context, scene, member, 'zh-CN');
    await page.goto(path(scene));
    await expect(page.locator('body')).toMatchAriaSnapshot({ name: `${name}.aria.yml` });
  });
}

