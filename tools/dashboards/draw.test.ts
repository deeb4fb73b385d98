import assert from 'node:assert/strict';
import { globSync, readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, it } from 'node:test';
import { html } from '@onbehalf/chassis/http/html';
import { type Drawn, dashboardSchema, drawDashboard, type Panel } from './draw.ts';

const panel = (more: Partial<Panel>): Panel => ({
  ...{ type: 'timeseries', title: 'Panel', gridPos: { x: 0, y: 0, w: 12, h: 8 }, targets: [] },
  fieldConfig: { defaults: { unit: 'reqps' } },
  ...more,
});
const line = (name: string, ...values: (number | null)[]) => ({
  name,
  points: values.map((value, place): [number, number | null] => [place, value]),
});
const draw = (...drawn: Drawn[]) => drawDashboard('A dashboard', 60, drawn);

describe('a dashboard is drawn', () => {
  it('with each series by its name, escaped, and a gap where there was none', () => {
    const svg = draw({ panel: panel({}), series: [line('<a>', 1, null, 2, 3), line('b', 4, 4, 4, 4)] });
    for (const words of ['A dashboard', 'Panel', '&lt;a&gt;', '>b<', '/s<']) assert.ok(svg.includes(words), words);
    const [first] = [...svg.matchAll(/class="line" stroke="#2f6fdd" d="([^"]*)"/g)].map(([, path]) => path);
    assert.equal(first?.match(/M/g)?.length, 2);
  });

  it('with what is stacked upon each other, up to the sum', () => {
    const defaults = { unit: 'reqps', custom: { stacking: { mode: 'normal' } } };
    const svg = draw({ panel: panel({ fieldConfig: { defaults } }), series: [line('a', 40, 40), line('b', 40, 40)] });
    assert.match(svg, />50\/s</);
    assert.equal(svg.match(/fill-opacity/g)?.length, 2);
  });

  it('with the number of a panel that has one, in red beyond its threshold', () => {
    const steps = [
      { value: null, color: 'red' },
      { value: 0.999, color: 'green' },
    ];
    const stat = panel({ type: 'stat', fieldConfig: { defaults: { unit: 'percentunit', thresholds: { steps } } } });
    assert.match(draw({ panel: stat, series: [line('', 0.5, 0.99)] }), /class="big low"[^>]*>99 %</);
    assert.match(draw({ panel: stat, series: [line('', 0.5, 1)] }), /class="big"[^>]*>100 %</);
  });

  it('with a word where there is nothing', () => {
    assert.match(draw({ panel: panel({}), series: [line('a', null)] }), /No data/);
  });
});

describe('docs/pictures has', () => {
  for (const file of globSync('charts/onbehalf/files/dashboards/*.json')) {
    const name = `dashboard-${basename(file, '.json')}.svg`;
    it(`${name}, with every panel as it is called now, and small`, () => {
      const svg = readFileSync(`docs/pictures/${name}`, 'utf8');
      const { panels } = dashboardSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
      for (const { title } of panels)
        assert.ok(svg.includes(`>${html`${title}`}</text>`), `${title}: node tools/dashboards/write.ts`);
      assert.ok(statSync(`docs/pictures/${name}`).size < 150_000);
    });
  }
});
