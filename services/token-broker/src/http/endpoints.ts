import { Fault } from '@onbehalf/node/core/fault';
import { cloudOf, isIssuerOf } from '@onbehalf/node/core/keys/authority';
import type { AccessTokens } from '../grants/access-tokens.ts';
import type { Broker } from '../grants/broker.ts';
import type { ListedProcess } from '../grants/processes.ts';
import { parameters } from '../input/form.ts';
import { isJwt } from '../input/token-shape.ts';
import type { Endpoint, ResponseBody } from './endpoint.ts';
import {
  endParameters,
  personParameters,
  processesParameters,
  revocationParameters,
  tokenParameter,
} from './request-schemas.ts';
import { TokenEndpoint } from './token-endpoint.ts';

/** The endpoints of an OAuth authorization server, over the broker. `authorityHost`: the Entra authority that issues the `sid`s. */
export function createEndpoints(
  broker: Broker,
  accessTokens: AccessTokens,
  authorityHost: string,
): Record<string, Endpoint> {
  const token = new TokenEndpoint(broker, cloudOf(authorityHost).graph);
  return {
    '/oauth2/token': (client, form, traceId) => token.handle(client, form, traceId),
    '/oauth2/introspect': async (client, form) => {
      const { token } = parameters(tokenParameter, form);
      if (isJwt(token)) return toIntrospection(await accessTokens.find(client, token));
      const session = await broker.introspect(client, token);
      if (!session) return { active: false };
      return {
        active: true,
        sub: session.sub,
        sid: session.sid,
        client_id: client.name,
        iat: session.createdAtSeconds,
        exp: session.expiresAtSeconds,
        idle_exp: session.idleEndSeconds,
        absolute_exp: session.absoluteEndSeconds,
      };
    },
    '/oauth2/revoke': async (client, form) => {
      const { token, reason } = parameters(revocationParameters, form);
      if (isJwt(token)) throw new Fault('unsupported_token_type', 'Only session tokens can be revoked.');
      await broker.revoke(client, token, reason || 'sign_out');
      return {};
    },
    '/sessions/end': async (client, form) => {
      const { sid, iss, subject_token, tid, oid, agent } = parameters(endParameters, form);
      if (iss !== undefined && !isIssuerOf(iss, authorityHost, client.tenantId)) return { ended: 0 };
      if (sid !== undefined) return { ended: await broker.endBySid(client, sid) };
      if (subject_token !== undefined) return { ended: await broker.endAccount(client, subject_token) };
      return { ended: await broker.endPerson(client, String(tid), String(oid ?? agent)) };
    },
    '/processes/list': async (client, form) => {
      const { subject_token, tid, oid } = parameters(processesParameters, form);
      const listed =
        subject_token === undefined
          ? await broker.listPersonsProcesses(client, String(tid), String(oid))
          : await broker.listProcesses(client, subject_token);
      return { processes: listed.map(toProcess) };
    },
    '/accounts/lookup': async (client, form) => {
      const { tid, oid } = parameters(personParameters, form);
      return { account: broker.lookUpAccount(client, tid, oid) };
    },
  };
}

const toProcess = ({ client, startedBy, scope, createdAt, endsAt }: ListedProcess) => ({
  ...{ client_id: client, started_by: startedBy, scope, iat: createdAt, exp: endsAt },
});

/** RFC 7662 section 2.2: the claims of the token; `azp` and `scp` also under their names in the RFC. */
function toIntrospection(claims: Record<string, unknown> | undefined): ResponseBody {
  if (!claims) return { active: false };
  const { azp: client_id, scp: scope } = claims;
  return { ...claims, active: true, token_type: 'Bearer', client_id, ...(scope !== undefined && { scope }) };
}
