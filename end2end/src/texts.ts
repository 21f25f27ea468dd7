// The shop's own texts, so that specs locate by the labels that people read,
// in either language, and a changed wording breaks no spec.
import { readFileSync } from 'node:fs';

export type Lang = 'zh-CN' | 'en';
export const LANGS: readonly Lang[] = ['zh-CN', 'en'];

const files = new Map<string, Record<string, string>>();

function file(lang: Lang, name: string): Record<string, string> {
  const key = `${lang}/${name}`;
  let texts = files.get(key);
  if (!texts) {
    const url = new URL(`../../app/ui/locales/${key}.json`, import.meta.url);
    texts = JSON.parse(readFileSync(url, 'utf8')) as Record<string, string>;
    files.set(key, texts);
  }
  return texts;
}

/** The text `file.key` with its values filled in. */
export function text(lang: Lang, key: string, values: Record<string, string | number> = {}): string {
  const [name = '', entry = ''] = key.split('.');
  const found = file(lang, name)[entry];
  if (found === undefined) throw new Error(`no text ${key} in ${lang}`);
  return found.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, value: string) => {
    const filled = values[value];
    if (filled === undefined) throw new Error(`${key} lacks a value for ${value}`);
    return String(filled);
  });
}

/** A pattern for the text `file.key` whatever its values are; `whole`: nothing before or after. */
export function pattern(lang: Lang, key: string, whole = false): RegExp {
  const [name = '', entry = ''] = key.split('.');
  const found = file(lang, name)[entry];
  if (found === undefined) throw new Error(`no text ${key} in ${lang}`);
  const parts = found.split(/\{\{\s*\w+\s*\}\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const source = parts.join('.+?');
  return new RegExp(whole ? `^${source}$` : source);
}
