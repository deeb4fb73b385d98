import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { commonEnvironment } from '../../services/chassis/src/config/config.ts';
import { environment as downstreamApi } from '../../services/downstream-api/src/config.ts';
import { environment as sidecar } from '../../services/sidecar/src/config.ts';
import { environment as tokenBroker } from '../../services/token-broker/src/config.ts';
import { environment as webFrontend } from '../../services/web-frontend/src/config.ts';

export const configurationFile = 'docs/configuration.md';

const services = { 'token-broker': tokenBroker, 'web-frontend': webFrontend, 'downstream-api': downstreamApi, sidecar };
const commonFile = 'services/chassis/src/config/config.ts';

type Setting = { key: string; takes: string; unset: string; meaning: string };

/** The page of every environment key, made of the schemas that read them and the comments there. */
export function configurationPage(): string {
  const common = settingsOf(commonEnvironment, commonFile);
  const own = Object.entries(services).map(([name, { shape }]) => {
    const file = `services/${name}/src/config.ts`;
    const keys = Object.entries(shape).filter(([key, schema]) => schema !== (commonEnvironment as Shape)[key]);
    return `## ${name}\n\n${table(settingsOf(Object.fromEntries(keys), file))}`;
  });
  return `${head}\n## Every service\n\n${table(common)}\n\n${own.join('\n\n')}\n`;
}

const head = `# Configuration

A service reads its environment once, at the start, and ends with the name of every key that is wrong. With Helm you set
values, and the charts set these keys: see the values of [web-frontend](../charts/web-frontend/README.md),
[token-broker](../charts/token-broker/README.md), [downstream-api](../charts/downstream-api/README.md) and
[the whole](../charts/onbehalf/README.md). Telemetry has OpenTelemetry's own keys: [telemetry](telemetry.md). A key whose
name ends in \`_FILE\` or \`_DIR\` is a path; no secret stands in the environment.

This page is made of the schemas in each \`config.ts\` by \`node tools/reference/write.ts\`.
`;

type Shape = Record<string, z.ZodType>;

/** @throws Error naming the keys whose schema has no comment that says what they mean. */
function settingsOf(shape: Shape, file: string): Setting[] {
  const meanings = readMeanings(readFileSync(file, 'utf8'));
  const silent = Object.keys(shape).filter((key) => !meanings.has(key));
  if (silent.length > 0) throw new Error(`${file} has no comment before ${silent.join(', ')}`);
  return Object.entries(shape).map(([key, schema]) => ({
    key,
    takes: /_(FILE|DIR)$/.test(key) ? 'a path' : takenBy(schema),
    unset: whenUnset(schema),
    meaning: meanings.get(key) ?? '',
  }));
}

/** The comment in front of each key of a schema. */
function readMeanings(source: string): Map<string, string> {
  const found = source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*([A-Z][A-Z0-9_]+):/g);
  return new Map(
    [...found].map(([, comment = '', key = '']) => [
      key,
      comment.replace(/\s*\n\s*\*\s*/g, ' ').replace(/^\*?\s+|\s+$/g, ''),
    ]),
  );
}

type Json = { type?: string; enum?: string[]; format?: string; minimum?: number; maximum?: number; default?: unknown };

function takenBy(schema: z.ZodType): string {
  const {
    type,
    enum: words,
    format,
    minimum,
    maximum,
  } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
  }) as Json;
  if (words) return words.map(code).join(', ');
  if (format === 'uri') return 'a URL';
  if (format === 'uuid') return 'a GUID';
  if (type !== 'integer' && type !== 'number') return 'text';
  const most = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? 'and more' : `to ${grouped(maximum)}`;
  return `${minimum === undefined ? 'more than 0' : grouped(minimum)} ${most}`;
}

function whenUnset(schema: z.ZodType): string {
  const { default: usual } = z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' }) as Json;
  if (usual !== undefined && !(Array.isArray(usual) && usual.length === 0)) return code([usual].flat().join(' '));
  return schema.safeParse(undefined).success ? '–' : '**required**';
}

function table(settings: Setting[]): string {
  const rows = settings.map(({ key, takes, unset, meaning }) => `| ${code(key)} | ${takes} | ${unset} | ${meaning} |`);
  return ['| Key | Takes | Unset | Meaning |', '|---|---|---|---|', ...rows].join('\n');
}

const grouped = (number: number) => String(number).replace(/\B(?=(\d{3})+$)/g, ',');
const code = (text: string) => `\`${text}\``;
