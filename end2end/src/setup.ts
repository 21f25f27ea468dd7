// Before all specs: one freshly imported demo shop, which every spec copies.
import { makeTemplate, removeTemplate } from './shop.mjs';

export default function setup() {
  const template = makeTemplate();
  process.env.ZAIJIA_TEMPLATE = template;
  return () => removeTemplate(template);
}
