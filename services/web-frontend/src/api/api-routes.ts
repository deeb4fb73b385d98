import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { Fault } from '@onbehalf/chassis/fault';
import { toOurs } from '@onbehalf/chassis/telemetry/client-span';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { Request, Response } from 'express';
import { type Apis, scopesFor } from '../apis.ts';
import type { Broker } from '../broker/broker.ts';
import { sendPage } from '../pages/page.ts';
import { answer as answerPage, type calls } from '../pages/pages.ts';
import { redirect } from '../pages/redirect.ts';
import { type Session, type Sessions, short } from '../session/session.ts';
import type { OidcClient } from '../sign-in/oidc.ts';
import type { StepUpLinks } from '../step-up/step-up.ts';
import { requestApi } from './api-request.ts';
import { apiTarget, isSafe, isToRun, requestParts, responseHeaders } from './api-wire.ts';
import { type Called, callApi } from './call-api.ts';

type ApiDeps = {
  apis: Apis;
  broker: Broker;
  stepUpLinks: StepUpLinks;
  entra: Pick<OidcClient, 'graph'>;
  logger: Logger;
  sessions: Sessions;
};

/** As much of an answer as a page shows. */
const maxShownBytes = 65_536;

/** The calls of APIs on behalf of the person: by a page that shows the answer, and by `/api/*` for scripts. */
export function createApiRoutes({ apis, broker, entra, logger, sessions, stepUpLinks }: ApiDeps) {
  /** Calls the API with the request's session. Returns the result, with what a step-up needs. */
  async function onBehalf(
    req: Request,
    res: Response,
    session: Session,
    to: { name: string; path: string; query: string },
    more: OutgoingHttpHeaders = {},
  ) {
    const api = Object.hasOwn(apis, to.name) ? apis[to.name] : undefined;
    const scopes = api && scopesFor(api, req.method, to.path);
    if (!api || !scopes) throw new Fault('not_found', 'There is nothing at this address.');
    const traceId = String(res.locals.traceId);
    const repeatable = isSafe(req.method);
    const { headers, body } = requestParts(req, session, api.allowRequestHeaders);
    const url = new URL(`${api.url}${to.path}${to.query}`);
    const gone = new AbortController();
    res.once('close', () => gone.abort());
    const target = short(`${to.name}${to.path}`);
    const send = (accessToken: string) =>
      toOurs(traceId, (traced) =>
        requestApi({
          ...{ url, method: req.method, body, signal: gone.signal, silenceMs: api.silenceSeconds * 1_000 },
          headers: { ...headers, ...more, authorization: `Bearer ${accessToken}`, ...traced },
        }),
      );
    const called = await callApi(
      { broker, apis, graph: entra.graph },
      { session, target, scopes, repeatable, traceId, send },
    );
    if (called.kind === 'ended') sessions.clear(res);
    return { called, target, scopes, api, url };
  }

  /** The pages are those of the sample API; without it, whichever comes first is asked. */
  const [firstName = ''] = Object.keys(apis);
  const sampleName = Object.hasOwn(apis, 'downstream-api') ? 'downstream-api' : firstName;

  return {
    /** A page that calls the API's route of the same path and shows the answer. */
    page:
      ({ path, title }: (typeof calls)[number]) =>
      async (req: Request, res: Response): Promise<void> => {
        const session = await sessions.read(req, res);
        if (!session) return redirect(res, `/sign-in?return_to=${path}`);
        // A page shows text: it asks for no other form.
        const to = { name: sampleName, path, query: '' };
        const { called, ...rest } = await onBehalf(req, res, session, to, { 'accept-encoding': 'identity' });
        if (called.kind !== 'answer') {
          return stepUpLinks.respondToPage(req, res, { session, stepUp: toStepUp(called), ...rest });
        }
        const { statusCode: status = 502 } = called.answer;
        const main = answerPage({ status, text: await readText(called.answer), path });
        sendPage(res, { title, main, signedIn: true });
      },

    /** Streams a script's request to an API and the answer back, with the token that the script never sees. */
    proxy: async (req: Request, res: Response): Promise<void> => {
      if (isToRun(req)) throw new Fault('forbidden', 'What an API sends is data: no page may run it.');
      const to = apiTarget(req.originalUrl);
      if (!to) throw new Fault('not_found', 'There is nothing at this address.');
      const session = await sessions.read(req, res);
      if (!session) {
        res.status(401).set('Cache-Control', 'no-store');
        return void res.json({ error: 'login_required', sign_in: '/sign-in', trace_id: res.locals.traceId });
      }
      const { called, ...rest } = await onBehalf(req, res, session, to);
      if (called.kind !== 'answer') {
        return stepUpLinks.respondToScript(res, { session, stepUp: toStepUp(called), ...rest });
      }
      // Not by express' own setters: they would complete the content type.
      res.writeHead(
        called.answer.statusCode ?? 502,
        responseHeaders(called.answer, { ...rest, method: req.method, session, name: to.name }),
      );
      await pipeline(called.answer, res).catch((error) => {
        // Half an answer is cut, so that nobody takes it for a whole one; browsers that leave do the same.
        logger.info({ event: 'api.answer_cut', trace_id: res.locals.traceId, error });
      });
    },
  };
}

function toStepUp(called: Exclude<Called, { kind: 'answer' }>) {
  return called.kind === 'ended' ? ({ kind: 'sign_in' } as const) : called.stepUp;
}

async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxShownBytes) break;
    }
  } catch (cause) {
    throw new Fault('unavailable', 'The service behind this page broke off.', { cause, retryAfterSeconds: 2 });
  }
  const text = Buffer.concat(chunks).subarray(0, maxShownBytes).toString();
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    // Not JSON: shown as it came.
    return text;
  }
}
