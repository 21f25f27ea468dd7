// The service worker. It keeps what is the same for everybody: the hashed files
// below /pkg/, the pictures below /pic/, the icons and the offline page. It
// never keeps a page that depends on who looks, and never an answer of the API.
"use strict";

const SHELL = "zaijia-shell-1";
const FILES = "zaijia-files-1";
const MOST_FILES = 600;
const OFFLINE = "/offline";

addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(SHELL);
      await keepOffline(cache);
      await skipWaiting();
    })(),
  );
});

// The offline page and what it needs: its style sheet has a hashed name, so it
// is read from the page.
async function keepOffline(cache) {
  // Without cookies: nobody's page.
  const answer = await fetch(OFFLINE, { credentials: "omit" });
  if (!answer.ok) return;
  const html = await answer.clone().text();
  await cache.put(OFFLINE, answer);
  const needed = [...html.matchAll(/(?:href|src)="(\/(?:pkg\/[^"]+|app\.js|favicon\.svg))"/g)].map((m) => m[1]);
  // The island of the page is loaded by its module, whose name the page holds too.
  const modules = [...html.matchAll(/["'](\/pkg\/[^"']+\.(?:js|wasm))["']/g)].map((m) => m[1]);
  await Promise.all([...new Set([...needed, ...modules])].map((path) => cache.add(path).catch(() => {})));
}

addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) {
        if (name !== SHELL && name !== FILES) await caches.delete(name);
      }
      await clients.claim();
    })(),
  );
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate") {
    event.respondWith(page(request));
  } else if (url.pathname.startsWith("/pkg/") || url.pathname.startsWith("/pic/") || url.pathname.startsWith("/icons/")) {
    event.respondWith(file(request, event));
  } else if (url.pathname === "/app.js" || url.pathname === "/favicon.svg") {
    event.respondWith(fetch(request).catch(() => caches.match(request)));
  }
});

async function page(request) {
  try {
    return await fetch(request);
  } catch {
    const kept = await caches.match(OFFLINE);
    return kept || Response.error();
  }
}

async function file(request, event) {
  const kept = await caches.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) {
    const copy = answer.clone();
    event.waitUntil(keep(request, copy));
  }
  return answer;
}

async function keep(request, answer) {
  const cache = await caches.open(FILES);
  await cache.put(request, answer);
  // Old names go first: keys come in the order in which they were kept.
  const keys = await cache.keys();
  await Promise.all(keys.slice(0, Math.max(0, keys.length - MOST_FILES)).map((key) => cache.delete(key)));
}
