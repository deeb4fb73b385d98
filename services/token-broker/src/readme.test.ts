import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Fault, type FaultCode } from '@onbehalf/node/core/fault';
import { environment } from './config.ts';
import { classes } from './entra/entra-errors.ts';
import { metadata, openapi } from './http/metadata.ts';
import * as lifetimes from './lifetimes.ts';
import { createRedisKeys } from './store/redis-keys.ts';

const text = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');

/** The cells of the table whose first column has this title, without their backticks. */
function tableOf(title: string): string[][] {
  const lines = text.slice(text.indexOf(`\n| ${title} |`) + 1).split('\n');
  const rows = lines.slice(
    2,
    lines.findIndex((line) => !line.startsWith('|')),
  );
  return rows.map((row) =>
    row
      .slice(2, -2)
      .split(' | ')
      .map((cell) => cell.replaceAll('`', '').trim()),
  );
}

const sorted = (words: Iterable<string>) => [...new Set(words)].sort();

/** `leaseMs` 3000 is "3 s"; several are listed with their names, a range by its ends. */
function inWords(name: string, value: unknown): string {
  if (typeof value === 'number')
    return name.endsWith('Ms') ? `${value / 1_000} s` : `${value}${/Seconds$/.test(name) ? ' s' : ''}`;
  const entries = Object.entries(value as Record<string, number>);
  if (entries.map(([key]) => key).join() === 'first,longest') return entries.map(([, one]) => `${one} s`).join(' to ');
  return entries.map(([key, one]) => `${key} ${one} s`).join(', ');
}

describe('the README', () => {
  it('has every endpoint', () => {
    const paths = Object.keys(openapi('http://broker').paths).map((path) => `POST ${path}`);
    const documents = [
      metadata('http://broker').service_documentation,
      'http://broker/.well-known/oauth-authorization-server',
    ];
    const all = [...paths, ...documents.map((url) => `GET ${new URL(url).pathname}`)];
    assert.deepEqual(sorted(tableOf('Endpoint').map(([cell = '']) => cell)), sorted(all));
  });

  it('has every error that is thrown, with its status', () => {
    const sources = globSync(join(import.meta.dirname, '**/*.ts')).filter(
      (file) => !/\.(test|fake|contract)\.ts$/.test(file),
    );
    const thrown = sources.flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/new Fault\(\s*'(\w+)'/g)].map(([, code]) => code as FaultCode),
    );
    const ofExpress: FaultCode[] = ['not_found', 'method_not_allowed', 'server_error'];
    const codes = [...thrown, ...ofExpress, ...Object.values(classes).map(({ code }) => code)];
    const expected = codes.map((code) => new Fault(code, '')).map((fault) => `${fault.status} ${fault.toBody().error}`);
    assert.ok(thrown.length > 20);
    assert.deepEqual(sorted(tableOf('Status').map(([status, error]) => `${status} ${error}`)), sorted(expected));
  });

  it('has every key of Redis', () => {
    const {
      oboThrottleKey,
      channel,
      fingerprint: _,
      released,
      ...keys
    } = createRedisKeys(createSecretKey(Buffer.alloc(32)), '');
    const named = (name: string | ((...parts: string[]) => string)) =>
      typeof name === 'string' ? name : name('{a}', 'b', 'c');
    const names = Object.values(keys).map((name) => named(name as Parameters<typeof named>[0]));
    const kinds = (cells: string[]) => sorted(cells.map((cell) => cell.split(':')[0] ?? ''));
    assert.deepEqual(kinds(tableOf('Key').map(([cell = '']) => cell)), kinds(names));
    assert.ok(oboThrottleKey('a', 'b', 'c').startsWith('{') && text.includes(`The channel \`${channel}\``));
    assert.ok(text.includes(`\`${released('code:{…}')}\``));
  });

  it('has every lifetime with its value', () => {
    const expected = Object.entries(lifetimes).map(([name, value]) => `${name}: ${inWords(name, value)}`);
    assert.deepEqual(sorted(tableOf('Name').map(([name, value]) => `${name}: ${value}`)), sorted(expected));
  });

  it('has the default of what an operator may set', () => {
    const rows = text.slice(text.indexOf('Set by the operator')).match(/^\| `[A-Z_0-9]+` \| \d+ /gm) ?? [];
    assert.ok(rows.length >= 7);
    for (const row of rows) {
      const [key = '', value] = row.replaceAll(/[|`]/g, '').trim().split(/\s+/);
      const schema = environment.shape[key as keyof typeof environment.shape];
      assert.equal(String(schema.parse(undefined)), value, key);
    }
  });
});
