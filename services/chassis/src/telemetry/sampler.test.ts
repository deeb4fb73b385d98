import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';
import { SamplingDecision } from '@opentelemetry/sdk-trace-base';
import { samplerOf } from './sampler.ts';
import { alwaysSampledAttribute } from './server-span.ts';

const ask = (env: NodeJS.ProcessEnv, flow: boolean, parentFlags?: number) => {
  const span = { traceId: 'f'.repeat(32), spanId: 'b'.repeat(16), isRemote: true };
  const above =
    parentFlags === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { ...span, traceFlags: parentFlags });
  const attributes = flow ? { [alwaysSampledAttribute]: true } : {};
  const { decision } = samplerOf(env).shouldSample(above, span.traceId, 'GET', SpanKind.SERVER, attributes, []);
  return decision === SamplingDecision.RECORD_AND_SAMPLED;
};

const off = { OTEL_TRACES_SAMPLER: 'parentbased_always_off' };
const none = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' };

const rows: [what: string, env: NodeJS.ProcessEnv, flow: boolean, parentFlags: number | undefined, kept: boolean][] = [
  ['everything unless said', {}, false, undefined, true],
  ['no request where the sampler is off', off, false, undefined, false],
  ['no request at a ratio of 0', none, false, undefined, false],
  ['a sign-in where the sampler is off', off, true, undefined, true],
  ['a sign-in at a ratio of 0', none, true, undefined, true],
  ['what its caller keeps', off, false, 1, true],
  ['not what its caller drops', {}, false, 0, false],
];

describe('sampling', () => {
  for (const [what, env, flow, parentFlags, kept] of rows) {
    it(`keeps ${what}`, () => assert.equal(ask(env, flow, parentFlags), kept));
  }
});
