import assert from 'node:assert/strict';
import { access, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { choose, readOptions } from './options.ts';
import { scenarios } from './scenarios/scenarios.ts';

const guide = await readFile('docs/load-testing.md', 'utf8');

describe('docs/load-testing.md', () => {
  it('gives commands that npm run load takes', () => {
    const commands = [...guide.matchAll(/npm run load( -- ([^#\n`]*))?/g)].map(([, , args = '']) => args.trim());
    assert.ok(commands.length >= 6);
    for (const command of commands) {
      const options = readOptions(command.split(/\s+/).filter(Boolean));
      if (!options.merge) assert.ok(choose(scenarios, options).length > 0, command);
    }
  });

  it('tells of every scenario what must hold', () => {
    const named = [...guide.matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map(([, name]) => name);
    assert.deepEqual(named.sort(), scenarios.map(({ name }) => name).sort());
  });

  it('sets values that charts/dev has', async () => {
    const values = parse(await readFile('charts/dev/values.yaml', 'utf8'));
    const paths = [...guide.matchAll(/--set ([\w.]+)=/g)].map(([, path = '']) => path);
    assert.ok(paths.length >= 10);
    for (const path of paths) {
      const value = path.split('.').reduce((within, key) => within?.[key], values);
      assert.notEqual(value, undefined, path);
    }
  });

  it('names files that are there', async () => {
    for (const [, path = ''] of guide.matchAll(
      /(?<=[\s`(])((charts|docker|test|tools|docs)\/[\w./-]+\.(yaml|sh|ts|js|md|Dockerfile)\b)/g,
    )) {
      await access(path);
    }
    for (const [, path = ''] of guide.matchAll(/\]\(([^)#:]+)/g)) await access(`docs/${path}`);
  });
});
