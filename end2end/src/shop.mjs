// The shop under test: the real binary on a free port, with a database of its
// own that starts as a copy of a freshly imported demo supermarket.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const READY_MS = 30_000;
const STOP_MS = 15_000;

/** The binary: ZAIJIA_BIN, else the release build, else the debug build. */
export function binary() {
  const places = [process.env.ZAIJIA_BIN, join(ROOT, 'target/release/zaijia'), join(ROOT, 'target/debug/zaijia')];
  const found = places.find((place) => place && existsSync(place));
  if (!found) throw new Error('no zaijia binary: build one (cargo xtask build), or name it in ZAIJIA_BIN');
  return resolve(found);
}

/** The environment without what a developer may have set for a shop of their own. */
function environment() {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('ZAIJIA_') || name === 'ZAIJIA_SITE');
  return { ...Object.fromEntries(kept), ZAIJIA_LOG_FILTER: process.env.ZAIJIA_LOG_FILTER ?? 'warn,sqlx=error' };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (!address || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const FILES = ['', '-wal', '-shm'];

/**
 * A folder with a demo shop's database, to copy shops from; made once a run,
 * since the import takes longer than everything else that a spec prepares.
 * @returns {string} the database file
 */
export function makeTemplate() {
  const data = mkdtempSync(join(tmpdir(), 'zaijia-template-'));
  const file = join(data, 'shop.sqlite');
  fill({ database: `sqlite://${file}`, data });
  return file;
}

/**
 * Where a shop keeps what it knows.
 * @typedef {{ database: string, data: string, schema?: string }} Place
 */

/** The flags that name a place.
 * @param {Place} place */
function flags({ database, data, schema }) {
  return ['--database', database, '--data', data, ...(schema ? ['--schema', schema] : [])];
}

/** Migrates a database and imports the demo goods.
 * @param {Place} place */
function fill(place) {
  for (const args of [['migrate'], ['import', '--demo']]) {
    execFileSync(binary(), [...args, ...flags(place)], {
      cwd: ROOT, env: environment(), stdio: ['ignore', 'ignore', 'inherit'], timeout: 120_000,
    });
  }
}

/** Removes what {@link makeTemplate} made.
 * @param {string} file */
export function removeTemplate(file) {
  rmSync(dirname(file), { recursive: true, force: true });
}

/** A running shop. */
export class Shop {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #server;
  #log = '';
  /** @type {Place} */
  #place;
  #port = 0;
  /** @type {string | undefined} */
  #token;

  /** @param {Place} place */
  constructor(place) {
    this.#place = place;
  }

  /** Opens a shop: on a copy of the template, or in a schema of a PostgreSQL (which is filled first).
   * @param {{ template?: string, postgres?: { database: string, schema: string } }} from */
  static async open({ template, postgres }) {
    const data = mkdtempSync(join(tmpdir(), 'zaijia-shop-'));
    const file = join(data, 'shop.sqlite');
    const shop = new Shop({ database: `sqlite://${file}`, ...postgres, data });
    if (postgres) {
      fill(shop.#place);
    } else {
      if (!template) throw new Error('no template: is the global set-up missing?');
      for (const end of FILES) {
        if (existsSync(template + end)) copyFileSync(template + end, file + end);
      }
    }
    shop.#port = await freePort();
    await shop.start();
    return shop;
  }

  /** `http://127.0.0.1:…` */
  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** What the server has written to its log so far. */
  get log() {
    return this.#log;
  }

  /** Starts the server, and waits until it says that it is ready. */
  async start() {
    const addr = `127.0.0.1:${this.#port}`;
    const server = spawn(binary(), ['serve', '--addr', addr, ...flags(this.#place)], {
      cwd: ROOT, env: environment(), stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#server = server;
    for (const stream of [server.stdout, server.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => { this.#log += text; });
    }
    const until = Date.now() + READY_MS;
    for (;;) {
      if (server.exitCode !== null || server.signalCode !== null) throw new Error(`the server ended:\n${this.#log}`);
      const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
      if (answer?.ok) return;
      if (Date.now() > until) throw new Error(`the server is not ready:\n${this.#log}`);
      await new Promise((next) => setTimeout(next, 50));
    }
  }

  /** Ends the server as an operator does, and waits until it is gone. */
  async stop() {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    if (server.exitCode !== null || server.signalCode !== null) {
      throw new Error(`the server had ended by itself (${server.exitCode ?? server.signalCode}):\n${this.#log}`);
    }
    const gone = once(server, 'exit');
    server.kill('SIGTERM');
    const late = setTimeout(() => server.kill('SIGKILL'), STOP_MS);
    const [code, signal] = await gone;
    clearTimeout(late);
    if (code !== 0) throw new Error(`the server did not end well (${code ?? signal}):\n${this.#log}`);
  }

  /** Runs a command of the shop on its database; answers standard output.
   * @param {...string} args */
  async command(...args) {
    const { stdout } = await run(binary(), [...args, ...flags(this.#place)], {
      cwd: ROOT, env: environment(), timeout: 60_000,
    });
    return stdout;
  }

  /** Sends a batch as a store's till does; answers what the shop says.
   * @param {string} path @param {Record<string, unknown>} batch */
  async feed(path, batch) {
    this.#token ??= (await this.command('token', 'add', 'till', '--role', 'feed')).trim();
    const answer = await fetch(`${this.url}/api/v1/feed/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      body: JSON.stringify(batch),
    });
    if (!answer.ok) throw new Error(`feed/${path}: ${answer.status} ${await answer.text()}`);
    return /** @type {unknown} */ (await answer.json());
  }

  /** Proves the books, ends the server, removes its database. */
  async close() {
    try {
      await this.stop();
      await this.command('check');
    } finally {
      rmSync(this.#place.data, { recursive: true, force: true });
    }
  }
}
