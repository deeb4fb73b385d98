import { z } from 'zod';
import { Refusal } from './aadsts.ts';

const request = z
  .object({ essential: z.boolean(), value: z.string(), values: z.array(z.string()) })
  .partial()
  .nullable();
const member = z.record(z.string(), request);
const schema = z.object({ access_token: member, id_token: member }).partial();

/** The part of OpenID Connect's `claims` parameter that Entra uses (Learn: "Claims challenges"). */
export type ClaimsRequest = {
  /** The parameter as it came; a refusal repeats it. */
  text: string | undefined;
  /** Authentication contexts that the sign-in must have satisfied. */
  acrs: string[];
  /** A Conditional Access policy requires a step-up. */
  capolids: boolean;
  /** Sign-ins before this are too old, epoch seconds. */
  notBefore: number | undefined;
  /** The client can handle claims challenges (`cp1`). */
  cp1: boolean;
};

const none: ClaimsRequest = { text: undefined, acrs: [], capolids: false, notBefore: undefined, cp1: false };

/** Clients send the same text with every request. */
const parsed = new Map<string, ClaimsRequest>();
const maxRemembered = 1_000;

/** Reads `claims`. @throws Refusal 9002313 if it is not the JSON it should be. */
export function parseClaims(text: string | undefined): ClaimsRequest {
  if (!text) return none;
  const claims = parsed.get(text) ?? parseRequest(text);
  if (parsed.size >= maxRemembered) parsed.clear();
  parsed.set(text, claims);
  return claims;
}

function parseRequest(text: string): ClaimsRequest {
  const { access_token: access = {}, id_token: id = {} } = parse(text);
  const values = (name: string, from = access) => {
    const { value, values = [] } = from[name] ?? {};
    return [...values, ...(value === undefined ? [] : [value])];
  };
  const notBefore = Number(values('nbf')[0]);
  return {
    text,
    acrs: [...new Set([...values('acrs'), ...values('acrs', id)])],
    capolids: values('capolids').length > 0,
    notBefore: Number.isFinite(notBefore) ? notBefore : undefined,
    cp1: values('xms_cc').some((value) => value.toLowerCase() === 'cp1'),
  };
}

function parse(text: string): z.output<typeof schema> {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new Refusal(9002313, {}, { error: 'invalid_request' });
  }
}
