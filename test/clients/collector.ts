import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { type Child, startChild } from '../kit/child.ts';
import { openLanguage } from './languages.ts';

export const collector = { client: 'OpenTelemetry Collector', version: '0.161.0' };

type CollectorOptions = {
  /** For its configuration and its log. */
  directory: string;
  port: number;
  processors?: Record<string, object>;
  /** Where what it takes goes, by the exporter's name. */
  exporters: Record<string, object>;
  env?: Record<string, string>;
};

/** A block of docs/telemetry.md that configures a Collector, by how it begins. */
export function documented(begins: string): Record<string, Record<string, object>> {
  const page = readFileSync('docs/telemetry.md', 'utf8');
  const blocks = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block]) => String(block));
  const found = blocks.find((block) => block.startsWith(begins));
  if (!found) throw new Error(`docs/telemetry.md shows no ${begins}`);
  return parse(found) as Record<string, Record<string, object>>;
}

/** Starts a real Collector, which takes traces by OTLP over HTTP. @throws Error where Go is missing. */
export async function startCollector(options: CollectorOptions): Promise<Child> {
  const { directory, port, processors = {}, exporters, env = {} } = options;
  const settings = {
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
    processors,
    exporters,
    service: {
      telemetry: { metrics: { level: 'none' } },
      pipelines: {
        traces: { receivers: ['otlp'], processors: Object.keys(processors), exporters: Object.keys(exporters) },
      },
    },
  };
  const file = join(directory, 'collector.yaml');
  await writeFile(file, stringify(settings));
  const { command, args } = openLanguage('collector')('otelcol');
  return await startChild({
    ...{ name: 'collector', command, args: [...args, '--config', file] },
    logFile: join(directory, 'collector.log'),
    env: { PATH: process.env.PATH ?? '', ...env },
    // It answers a GET with 405 once it is there.
    ready: async () => (await fetch(`http://127.0.0.1:${port}/v1/traces`)).status > 0,
    withinMs: 30_000,
  });
}
