// A whole system for tests: a private Redis and `devhost up`, real processes on free ports.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PROJECT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** Folder for screenshots and logs. */
export const ARTEFACTS = join(PROJECT, 'target/web');
/** Far more than anything here takes. */
const EVENTUALLY_MS_MAX = 120_000;

/** `devhost`, and `spin` if it is on PATH; or only the one in the variable RUNTIME. */
export function runtimes() {
  if (process.env.RUNTIME) return [process.env.RUNTIME];
  try {
    execFileSync('spin', ['--version'], { stdio: 'ignore' });
    return ['devhost', 'spin'];
  } catch {
    return ['devhost'];
  }
}

export class System {
  /** Everything started, with the demo products. */
  static async start(runtime, { token = '' } = {}) {
    const system = new System();
    system.folder = join(ARTEFACTS, `${runtime}-${process.pid}-${token ? 'token' : 'open'}`);
    mkdirSync(system.folder, { recursive: true });
    [system.redisPort, system.port] = [await freePort(), await freePort()];
    system.base = `http://127.0.0.1:${system.port}`;
    await system.startRedis();
    system.up = run(join(PROJECT, 'target/debug/devhost'), [
      'up', '--runtime', runtime, '--listen', `127.0.0.1:${system.port}`,
      '--redis-url', `redis://127.0.0.1:${system.redisPort}`, '--data-dir', join(system.folder, 'up'),
    ], join(system.folder, 'up.log'), {
      SPIN_VARIABLE_API_TOKEN: token,
      STREAM_SIDECAR__LIMITS__LEASE_MS: '2000',
      STREAM_SIDECAR__LIMITS__BACKOFF_MS_MIN: '20',
      STREAM_SIDECAR__LIMITS__BACKOFF_MS_MAX: '100',
    });
    await eventually('everything runs', () => {
      assert.equal(system.up.exitCode, null, `devhost up has exited; see ${system.folder}/up.log`);
      return readFileSync(join(system.folder, 'up.log'), 'utf8').includes('Ctrl-C stops everything');
    });
    return system;
  }

  async startRedis() {
    this.redis = run('redis-server', [
      '--port', String(this.redisPort), '--bind', '127.0.0.1', '--appendonly', 'yes', '--save', '', '--dir', this.folder,
    ], join(this.folder, 'redis.log'));
    await eventually('Redis answers', () => {
      try {
        return this.command(0, 'PING') === 'PONG';
      } catch {
        return false;
      }
    });
  }

  async stopRedis() { await ended(this.redis, 'SIGTERM'); }

  /** Sends a signal to the sidecar, a child of `devhost up`. */
  signalSidecar(signal) {
    const pid = execFileSync('pgrep', ['-P', String(this.up.pid), '-f', 'stream-sidecar'], { encoding: 'utf8' });
    process.kill(Number(pid.trim().split('\n')[0]), signal);
  }

  /** Runs a command on the store's database (0) or the warehouse's (1). */
  command(database, ...words) {
    const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
    return execFileSync('redis-cli', ['-p', String(this.redisPort), '-n', String(database), ...words], options).trim();
  }

  async get(path) {
    const response = await fetch(this.base + path);
    return response.json();
  }

  async post(path, body) {
    const response = await fetch(this.base + path, { method: 'POST', body: JSON.stringify(body) });
    return { status: response.status, body: await response.json() };
  }

  async stop() {
    await ended(this.up, 'SIGINT');
    await ended(this.redis, 'SIGTERM');
  }
}

/** Waits until a condition holds. */
export async function eventually(what, condition) {
  const until = Date.now() + EVENTUALLY_MS_MAX;
  while (!await condition()) {
    assert.ok(Date.now() < until, `gave up waiting: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

function run(program, words, log, variables = {}) {
  const out = openSync(log, 'a');
  const child = spawn(program, words, { cwd: PROJECT, env: { ...process.env, ...variables }, stdio: ['ignore', out, out] });
  // Nothing may outlive the tests.
  process.once('exit', () => child.kill('SIGTERM'));
  return child;
}

function ended(child, signal) {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else {
      child.once('exit', resolve);
      child.kill(signal);
    }
  });
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
