import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base';
import { alwaysSampledAttribute } from './server-span.ts';

/**
 * `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` as OpenTelemetry names them, always on unless said - but that
 * what asks to be kept, a person's sign-in, always is. A span of a known trace follows its parent.
 */
export function samplerOf({
  OTEL_TRACES_SAMPLER: name = '',
  OTEL_TRACES_SAMPLER_ARG: ratio,
}: NodeJS.ProcessEnv): Sampler {
  const chosen: Sampler = name.includes('always_off')
    ? new AlwaysOffSampler()
    : name.includes('traceidratio')
      ? new TraceIdRatioBasedSampler(Number(ratio ?? 1))
      : new AlwaysOnSampler();
  const root: Sampler = {
    shouldSample: (context, traceId, spanName, kind, attributes, links) =>
      attributes[alwaysSampledAttribute]
        ? { decision: SamplingDecision.RECORD_AND_SAMPLED }
        : chosen.shouldSample(context, traceId, spanName, kind, attributes, links),
    toString: () => `kept or ${chosen}`,
  };
  return new ParentBasedSampler({ root });
}
