import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type Drawn, dashboardSchema, drawDashboard } from './draw.ts';
import { busyMinutes, openLive } from './live.ts';

/**
 * Draws each dashboard of the chart into docs/pictures from what a real Prometheus has of some minutes of the services,
 * by the panels' own queries. No renderer of Grafana's is needed.
 */
const people = 100;
await using live = await openLive(people);
const beganMs = performance.now();
await busyMinutes(live.system, people);
// The last looks are some seconds late.
const seconds = (performance.now() - beganMs) / 1_000 + 4;
for (const file of globSync('charts/onbehalf/files/dashboards/*.json')) {
  const { title, panels } = dashboardSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  const drawn: Drawn[] = [];
  for (const panel of panels) {
    const asked = panel.targets.map(({ expr, legendFormat }) =>
      live.query(expr.replaceAll('$namespace', '.*').replaceAll('$__rate_interval', '10s'), legendFormat),
    );
    drawn.push({ panel, series: (await Promise.all(asked)).flat() });
  }
  const picture = `docs/pictures/dashboard-${basename(file, '.json')}.svg`;
  writeFileSync(picture, drawDashboard(title, seconds, drawn));
  console.log(picture);
}
