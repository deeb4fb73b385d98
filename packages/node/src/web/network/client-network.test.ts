import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { logTo } from '../../core/log.fake.ts';
import { createClientNetwork } from './client-network.ts';

const silent = logTo(() => {});

/** Whose request it is that comes from `peer` with this `X-Forwarded-For`. */
function networkOf(peer: string, forwarded?: string, trusted = ['10.244.0.0/16', 'loopback', '2001:db8:ffff::/48']) {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  return createClientNetwork(trusted, silent)({ headers, socket: { remoteAddress: peer } as never });
}

describe("a client's network", () => {
  const spellings: Record<string, string[]> = {
    '203.0.113.9': [
      '203.0.113.9',
      '203.0.113.9:443',
      '203.0.113.9:65535',
      '[203.0.113.9]:1',
      ' \t203.0.113.9 ',
      '::ffff:203.0.113.9',
      '::FFFF:cb00:7109',
      '0:0:0:0:0:ffff:203.0.113.9',
      '[::ffff:203.0.113.9]:20000',
      '::ffff:203.0.113.9:20000',
    ],
    '2001:db8:0:1': [
      '2001:db8:0:1::1',
      '2001:DB8:0:1:ffff:ffff:ffff:ffff',
      '2001:0db8:0000:0001:0000:0000:0000:0001',
      '[2001:db8:0:1::2]',
      '[2001:db8:0:1::3]:443',
      '2001:db8:0:1::4%eth0',
      '[2001:db8:0:1::4%eth0]:443',
      '2001:db8:0:1::5:443',
      '2001:db8:0:1:2:3:4:5:20000',
    ],
    '0:0:0:1': ['::1:0:0:0:1', '0:0:0:1::', '0:0:0:1:1:1:1:1', '::1:1:1:1:1'],
    'fe80:0:0:0': ['fe80::1%eth0', 'fe80::2%en1', '[fe80::3%25eth0]:1', `fe80::4%${'z'.repeat(80)}`],
  };
  for (const [network, ways] of Object.entries(spellings)) {
    it(`is ${network}, however a hop writes it`, () => {
      for (const way of ways) assert.equal(networkOf('10.244.0.7', way), network, way);
      for (const way of ways) assert.equal(networkOf('10.244.0.7', `6.6.6.6, ${way}, ,10.244.1.1:80`), network, way);
    });
  }

  it('is the one that speaks to us, if that is no trusted hop, whatever it claims', () => {
    assert.equal(networkOf('203.0.113.9', '198.51.100.1'), '203.0.113.9');
    assert.equal(networkOf('::ffff:203.0.113.9', '10.244.0.1, 198.51.100.1'), '203.0.113.9');
    assert.equal(networkOf('2001:db8:0:1::9', '198.51.100.1'), '2001:db8:0:1');
    assert.equal(networkOf('127.0.0.1', '198.51.100.1', []), '127.0.0.1');
  });

  it('is the last hop that is not trusted, however many there are before it', () => {
    const spoofed = Array.from({ length: 100 }, (_, i) => `198.51.100.${i}`).join(', ');
    assert.equal(
      networkOf('::ffff:10.244.0.7', `${spoofed}, 203.0.113.9, 10.244.3.3, [2001:db8:ffff::1]`),
      '203.0.113.9',
    );
    assert.equal(networkOf('::1', `${spoofed},203.0.113.9`), '203.0.113.9');
  });

  it('is behind hops of a range that has a name', () => {
    const hops = {
      loopback: ['127.0.0.1', '127.255.0.1', '::1'],
      linklocal: ['169.254.1.1', 'fe80::1', 'febf::1'],
      uniquelocal: ['10.0.0.1', '172.16.0.1', '172.31.255.1', '192.168.1.1', 'fc00::1', 'fdff::1'],
    };
    for (const [name, addresses] of Object.entries(hops)) {
      for (const one of addresses) {
        assert.equal(networkOf(one, '203.0.113.9', [name]), '203.0.113.9', one);
        for (const other of Object.keys(hops).filter((range) => range !== name))
          assert.notEqual(networkOf(one, '203.0.113.9', [other]), '203.0.113.9', one);
      }
      for (const outside of [
        '128.0.0.1',
        '::2',
        '169.253.1.1',
        'fec0::1',
        '11.0.0.1',
        '172.32.0.1',
        '192.169.0.1',
        'fe00::1',
      ])
        assert.notEqual(networkOf(outside, '203.0.113.9', [name]), '203.0.113.9', outside);
    }
  });

  it('is the hop itself where that names nobody', () => {
    const nobody = [
      '',
      ' ',
      ',',
      'unknown',
      '_hidden',
      '999.1.1.1',
      '1.2.3',
      '01.2.3.4',
      '203.0.113.9:x',
      '203.0.113.9:123456',
    ];
    nobody.push(
      '[203.0.113.9',
      '[]',
      '[]:80',
      ':80',
      '%',
      'gateway.example',
      '1.2.3.4 5.6.7.8',
      '\u00a0203.0.113.9',
      'x'.repeat(30_000),
    );
    nobody.push(`${' '.repeat(30_000)}203.0.113.9`, `1${' '.repeat(30_000)}1`, '[1]'.repeat(10_000));
    for (const text of nobody) assert.equal(networkOf('10.244.0.7', text), '10.244.0.7', text.slice(0, 40));
    for (const text of nobody.slice(3))
      assert.equal(networkOf('10.244.0.7', `203.0.113.9, ${text}`), '10.244.0.7', text.slice(0, 40));
    assert.equal(networkOf('10.244.0.7'), '10.244.0.7');
    assert.equal(networkOf('10.244.0.7', '10.244.1.1'), '10.244.1.1');
  });

  it('is unknown, and the same, for all whose connection has gone already', () => {
    assert.equal(networkOf(undefined as never, '203.0.113.9'), 'unknown');
  });

  it('is cheap to find, whatever is sent', () => {
    const before = process.cpuUsage();
    for (const text of [
      `1${' '.repeat(32_000)}1`,
      '1'.repeat(32_000),
      ','.repeat(32_000),
      ' ,'.repeat(16_000),
      '[:'.repeat(16_000),
    ])
      networkOf('10.244.0.7', text);
    // Of the processor's time: a busy machine lets a test wait.
    assert.ok(process.cpuUsage(before).user < 200_000);
  });

  it('is not known behind a proxy of ours that is not trusted: once, in the log', () => {
    const lines: string[] = [];
    const logger = logTo((line) => lines.push(JSON.stringify(line)));
    const find = createClientNetwork(['10.244.0.0/16'], logger);
    const ask = (remoteAddress: string, forwarded?: string) =>
      find({ headers: { ...(forwarded && { 'x-forwarded-for': forwarded }) }, socket: { remoteAddress } as never });
    ask('10.244.0.7', '203.0.113.9');
    ask('203.0.113.9', '198.51.100.1');
    ask('10.0.0.7');
    assert.deepEqual(lines, []);
    ask('10.0.0.7', '203.0.113.9');
    ask('10.0.0.8', '203.0.113.9');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).event),
      ['proxy.untrusted'],
    );
    assert.doesNotMatch(lines.join(''), /10\.0\.0|203\.0/, 'a log holds no client address');
  });
});
