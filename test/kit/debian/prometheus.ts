import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { answers, startChild } from '../child.ts';
import { freePort } from '../ports.ts';
import { findPromtool } from './promtool.ts';

type Target = { job: string; address: string };
type PrometheusOptions = { directory: string; targets: Target[] /** A rule file's text. */; rules: string };

const alertsSchema = z.object({
  data: z.object({
    alerts: z.array(z.object({ labels: z.record(z.string(), z.string()), state: z.enum(['pending', 'firing']) })),
  }),
});

/** A real Prometheus that scrapes these targets each second and judges the rules each second. */
export async function startPrometheus({ directory, targets, rules }: PrometheusOptions) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const jobs = targets.map(({ job, address }) => ({
    job_name: job,
    static_configs: [{ targets: [address], labels: { namespace: 'shop' } }],
  }));
  const [settings, ruleFile] = [join(directory, 'prometheus.json'), join(directory, 'alerts.json')];
  // JSON is YAML.
  const everySecond = { scrape_interval: '1s', evaluation_interval: '1s' };
  await writeFile(settings, JSON.stringify({ global: everySecond, rule_files: [ruleFile], scrape_configs: jobs }));
  await writeFile(ruleFile, rules);
  const child = await startChild({
    name: 'prometheus',
    command: join(dirname(await findPromtool('.cache')), 'prometheus'),
    args: [
      ...[`--config.file=${settings}`, `--storage.tsdb.path=${join(directory, 'prometheus')}`],
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    logFile: join(directory, 'prometheus.log'),
    ready: () => answers(`${url}/-/ready`),
    withinMs: 30_000,
  });
  return {
    url,
    /** The names of the alerts that fire now. */
    async firing(): Promise<Set<string>> {
      const response = await fetch(`${url}/api/v1/alerts`, { signal: AbortSignal.timeout(5_000) });
      const { alerts } = alertsSchema.parse(await response.json()).data;
      return new Set(alerts.flatMap(({ labels, state }) => (state === 'firing' ? [String(labels.alertname)] : [])));
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
