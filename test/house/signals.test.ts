import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { allSignals, signalsByRoom } from '../../tools/signals/signals.ts';
import { tableFile, withTables } from '../../tools/signals/table.ts';

/** Attributes that a gauge's or metric's own place gives, without a measurement naming them. */
const sources = globSync('{packages/node,services/{chassis,web-frontend,token-broker,downstream-api}}/src/**/*.ts', {
  exclude: (path) => /\.(test|fake)\.ts$/.test(path),
}).map((path) => readFileSync(path, 'utf8'));

describe('the registries of signals', () => {
  it('stand in the documentation as they are; node tools/signals/write.ts writes them there', () => {
    const page = readFileSync(tableFile, 'utf8');
    assert.equal(page, withTables(page));
  });

  it('name nothing that the code does not emit', () => {
    const { metrics, spans, attributes } = allSignals();
    for (const name of [...Object.keys(metrics), ...Object.keys(spans), ...Object.keys(attributes)]) {
      if (!name.startsWith('{'))
        assert.ok(
          sources.some((text) => text.includes(`'${name}'`)),
          name,
        );
    }
  });

  it('give every metric attributes that are registered, and at most 30 instruments of our own', () => {
    const { metrics, attributes } = allSignals();
    for (const [name, { attributes: by }] of Object.entries(metrics)) {
      for (const attribute of by) assert.ok(attributes[attribute], `${name}: ${attribute}`);
    }
    const own = Object.keys(metrics).filter((name) => name.startsWith('onbehalf.'));
    assert.ok(own.length <= 30, `${own.length} instruments`);
  });

  it('share no name between rooms', () => {
    const seen = new Map<string, string>();
    for (const [room, { metrics, spans, attributes }] of signalsByRoom()) {
      for (const name of [...Object.keys(metrics), ...Object.keys(spans), ...Object.keys(attributes)]) {
        assert.ok(!seen.has(name), `${name} in ${room} and ${seen.get(name)}`);
        seen.set(name, room);
      }
    }
  });
});
