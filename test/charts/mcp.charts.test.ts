import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { V1ConfigMap, V1Deployment } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { clientsSchema } from '../../services/token-broker/src/clients/clients.ts';
import { copyCharts, namespace, objectsOf, ofKind, render, scenarios } from './render.ts';
import { read } from './repository.ts';
import { faultsOf } from './validators.ts';

const clientId = 'a9100000-7e57-4000-8000-000000000099';
const [deployment, values] = [...(await read('docs/mcp.md')).matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) =>
  parse(
    text
      .replace('<registry>/mcp-server:<version>', 'registry.example.com/mcp-server:1.2.3')
      .replace('<tenant>', 'c0a70500-7e57-4000-8000-000000000001')
      .replace('<client id>', clientId),
  ),
) as [V1Deployment, object];
const pod = deployment.spec?.template.spec;
const [container] = pod?.containers ?? [];

describe('the MCP server that docs/mcp.md shows', () => {
  it('is a valid Deployment, told no more and no less than the example reads', async () => {
    assert.deepEqual(faultsOf(deployment), []);
    const [, settings = ''] = /const \{(.*?)\} = process\.env/s.exec(await read('examples/mcp-server/server.js')) ?? [];
    const settingsRead = [...settings.matchAll(/^ {2}([A-Z_]+)( = .*)?,$/gm)].map(([, name = '', given]) => ({
      name,
      given,
    }));
    const told = container?.env?.map(({ name }) => name) ?? [];
    for (const name of told)
      assert.ok(
        settingsRead.some((one) => one.name === name),
        name,
      );
    for (const { name, given } of settingsRead) if (!given) assert.ok(told.includes(name), name);
  });

  it('is probed where its metadata are, by the port that it listens on', () => {
    const of = (name: string) => container?.env?.find((one) => one.name === name)?.value ?? '';
    const { pathname } = new URL(of('MCP_RESOURCE'));
    assert.equal(container?.readinessProbe?.httpGet?.path, `/.well-known/oauth-protected-resource${pathname}`);
    assert.deepEqual(container?.ports?.[0]?.containerPort, Number(of('PORT')));
  });

  it('is a client of the broker by the values beside it: its ServiceAccount, on behalf of people alone', async () => {
    const scenario = (await scenarios()).find(({ name }) => name === 'onbehalf/facts');
    assert.ok(scenario);
    const objects = objectsOf(await render(await copyCharts(), scenario, { set: values }));
    const files = ofKind<V1ConfigMap>(objects, 'ConfigMap').flatMap(({ data }) => Object.entries(data ?? {}));
    const clients = clientsSchema.parse(JSON.parse(files.find(([name]) => name === 'clients.json')?.[1] ?? '{}'));
    const { grants, subjects, scopes, clientId: theirs } = clients['mcp-server'] ?? {};
    assert.deepEqual(subjects, [`system:serviceaccount:${namespace}:${pod?.serviceAccountName}`]);
    assert.deepEqual([grants, theirs], [['urn:ietf:params:oauth:grant-type:jwt-bearer'], clientId]);
    assert.deepEqual(scopes, ['https://graph.microsoft.com/User.Read']);
  });
});
