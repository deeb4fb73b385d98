import { z } from 'zod';
import { Refusal } from './aadsts.ts';

const request = z
  .object({ essential: z.boolean(), value: z.string(), values: z.array(z.string()) })
  .partial()
  .nullable();
const member = z.record(z.string(), request);
const schema = z.object({ access_token: member, id_token: member }).partial();

/** The part of OpenID Connect's `claims` parameter that Entra acts on (Learn: "Claims challenges"). */
export type ClaimsRequest = {
  /** The parameter as it came, to be repeated in a refusal. */
  text: string | undefined;
  /** Authentication contexts that must have been satisfied. */
  acrs: string[];
  /** A Conditional Access policy asks for a step-up. */
  capolids: boolean;
  /** Sign-ins before this are too old, epoch seconds. */
  notBefore: number | undefined;
  /** The client can handle claims challenges (`cp1`). */
  cp1: boolean;
};

const none: ClaimsRequest = { text: undefined, acrs: [], capolids: false, notBefore: undefined, cp1: false };

/** Clients send the same text with every request. */
const read = new Map<string, ClaimsRequest>();
const rememberedTexts = 1_000;

/** Reads `claims`. @throws Refusal 9002313 if it is not the JSON it should be. */
export function parseClaims(text: string | undefined): ClaimsRequest {
  if (!text) return none;
  const claims = read.get(text) ?? readClaims(text);
  if (read.size >= rememberedTexts) read.clear();
  read.set(text, claims);
  return claims;
}

function readClaims(text: string): ClaimsRequest {
  const { access_token: access = {}, id_token: id = {} } = parse(text);
  const values = (name: string, from = access) => {
    const asked = from[name];
    return [...(asked?.values ?? []), ...(asked?.value === undefined ? [] : [asked.value])];
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
