import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import express, { type ErrorRequestHandler } from 'express';
import type { Fault } from '../core/fault.ts';
import { openServer } from '../core/server.fake.ts';
import { onlyBearerHeader } from './bearer-header.ts';

describe('a token in the Authorization header', () => {
  let server: Awaited<ReturnType<typeof openServer>>;

  before(async () => {
    // Express 4's parser: it reads more names than `URLSearchParams`.
    const app = express().set('query parser', 'extended');
    app.use(express.urlencoded({ extended: false }), onlyBearerHeader, (_req, res) => void res.end('passed'));
    const onFault: ErrorRequestHandler = (fault: Fault, _req, res, _next) => {
      res.status(fault.status).set(fault.toHeaders()).end(fault.message);
    };
    app.use(onFault);
    server = await openServer(app);
  });
  after(() => server[Symbol.asyncDispose]());

  /** Headers as pairs, since the same may come twice. */
  function ask(path: string, headers: string[] = [], body = '') {
    return new Promise<{ status: number | undefined; challenge: string | undefined; text: string }>(
      (resolve, reject) => {
        const form = body
          ? ['Content-Type', 'application/x-www-form-urlencoded', 'Content-Length', `${body.length}`]
          : [];
        const options = { host: '127.0.0.1', port: server.port, path, method: 'POST', agent: false };
        const sent = request({ ...options, headers: ['Host', 'api.test', ...headers, ...form] }, (res) => {
          let text = '';
          res.setEncoding('utf8').on('data', (chunk) => {
            text += chunk;
          });
          res.on('end', () => resolve({ status: res.statusCode, challenge: res.headers['www-authenticate'], text }));
        });
        sent.on('error', reject).end(body);
      },
    );
  }
  const header = ['Authorization', 'Bearer x'];

  it('passes alone, or not at all, whatever else is sent', async () => {
    assert.equal((await ask('/')).text, 'passed');
    assert.equal((await ask('/', header)).text, 'passed');
    assert.equal((await ask('/?token=x', header, 'assertion=x')).text, 'passed');
  });

  const misplaced: [where: string, path: string, headers: string[], body: string][] = [
    ['in the query', '/?access_token=x', [], ''],
    ['in the query beside the header', '/?a=1&access_token=', header, ''],
    ['in the query as a list', '/?access_token[]=x', [], ''],
    ['in the query, its name in brackets', '/?[access_token]=x', header, ''],
    ['in a form', '/', [], 'access_token=x'],
    ['in a form beside the header', '/', header, 'a=1&access_token=x'],
  ];
  for (const [where, path, headers, body] of misplaced) {
    it(`is refused ${where}`, async () => {
      const { status, challenge, text } = await ask(path, headers, body);
      assert.deepEqual([status, text], [400, 'The token belongs in the Authorization header.']);
      assert.match(`${challenge}`, /^Bearer .*error="invalid_request"/);
    });
  }

  it('is refused if there are two, the same or others, in any case', async () => {
    for (const second of [header, ['authorization', 'Bearer y'], ['AUTHORIZATION', '']]) {
      const { status, text } = await ask('/', [...header, ...second]);
      assert.deepEqual([status, text], [400, 'There is more than one Authorization header.']);
    }
  });
});
