// A client generated from the sidecar's own description, by the names that Microsoft's has.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient as generate } from '@hey-api/openapi-ts';
import { tell } from './walk.mjs';

const { SIDECAR, TOKEN, TOKEN_WITHOUT_CONSENT } = process.env;
const path = await mkdtemp(join(tmpdir(), 'generated-'));
const output = { path, importFileExtension: '.ts', module: { extension: '.ts' } };
await generate({ input: `${SIDECAR}/openapi/v1.json`, output, logs: { level: 'silent' } });
const sidecar = await import(join(path, 'sdk.gen.ts'));
const { createClient } = await import(join(path, 'client', 'index.ts'));

const of = (auth) => ({ client: createClient({ baseUrl: SIDECAR, auth: () => auth }) });
const told = ({ data, error, response }) => ({ status: response.status, ...data, ...(error && { problem: error }) });
const graph = { apiName: 'Graph' };

await tell('@hey-api/openapi-ts', {
  'ValidateAuthorizationHeader: the caller’s claims': async () =>
    told(await sidecar.validateAuthorizationHeader(of(TOKEN))),
  'AuthorizationHeader: a header on behalf of the caller': async () =>
    told(await sidecar.authorizationHeader({ ...of(TOKEN), path: graph })),
  'AuthorizationHeader: a consent that is missing, by its number and the caller’s correlation id': async () => {
    const query = {
      'optionsOverride.Scopes': ['https://graph.microsoft.com/User.Read'],
      'optionsOverride.AcquireTokenOptions.CorrelationId': '2f2ae0b4-1111-4222-8333-444455556666',
    };
    return told(await sidecar.authorizationHeader({ ...of(TOKEN_WITHOUT_CONSENT), path: graph, query }));
  },
  'AuthorizationHeaderUnauthenticated: an app that may have no token': async () =>
    told(await sidecar.authorizationHeaderUnauthenticated({ ...of(), path: { apiName: 'Job' } })),
  'DownstreamApi: what the API says': async () =>
    told(await sidecar.downstreamApi({ ...of(TOKEN), path: graph, query: { 'optionsOverride.RelativePath': 'me' } })),
  'DownstreamApiUnauthenticated: no API of this name': async () =>
    told(await sidecar.downstreamApiUnauthenticated({ ...of(), path: { apiName: 'None' } })),
  'AuthorizationHeader: nobody': async () => told(await sidecar.authorizationHeader({ ...of(), path: graph })),
});
await rm(path, { recursive: true });
