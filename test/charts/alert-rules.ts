import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

export type AlertRule = {
  alert: string;
  expr: string;
  for?: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
};
export type AlertGroup = { name: string; rules: AlertRule[] };

export const alertsFile = join(import.meta.dirname, '../../charts/onbehalf/files/alerts.yaml');

/** The groups of the rule file, as they are without values. */
export function alertGroups(): AlertGroup[] {
  return (parse(readFileSync(alertsFile, 'utf8')) as { groups: AlertGroup[] }).groups;
}
