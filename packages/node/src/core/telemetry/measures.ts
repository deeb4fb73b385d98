import { type Attributes, metrics } from '@opentelemetry/api';
import { signals } from './signals.ts';
import { atTurnEnd } from './turn-end.ts';

type Metric = { kind: string; unit: string; brief: string; attributes: string[]; buckets?: number[] };

/** What a room says of itself: its attributes, spans and metrics by name. A service has it as `signals.json`. */
export type Registry = {
  attributes: Record<string, { on: string; brief: string; values?: string[] }>;
  spans: Record<string, { brief: string }>;
  metrics: Record<string, Metric>;
};

let measuring = false;
const waitingToStart: (() => void)[] = [];

/** From now on what is measured is kept: the SDK is up. Every counter begins at 0. */
export function startMeasuring(): void {
  measuring = true;
  for (const startAtZero of waitingToStart.splice(0)) startAtZero();
}

/**
 * Measures by the names of a registry, so that nothing else can be emitted. Without telemetry every method does
 * nothing. Instruments are made when first used: by then telemetry is up.
 */
export function createMeasures<R extends Registry>(registry: R) {
  type Name = keyof R['metrics'] & string;
  const made = new Map<string, (value: number, attributes?: Attributes) => void>();

  function make(name: Name) {
    const { kind, unit, brief: description, buckets } = registry.metrics[name] as Metric;
    const meter = metrics.getMeter('onbehalf');
    if (kind === 'counter') {
      const counter = meter.createCounter(name, { unit, description });
      return counter.add.bind(counter);
    }
    if (kind === 'gauge') {
      const gauge = meter.createGauge(name, { unit, description });
      return gauge.record.bind(gauge);
    }
    const advice = buckets ? { advice: { explicitBucketBoundaries: buckets } } : {};
    const histogram = meter.createHistogram(name, { unit, description, ...advice });
    return histogram.record.bind(histogram);
  }

  function measure(name: Name, value: number, attributes?: Attributes): void {
    if (!measuring) return;
    atTurnEnd(() => {
      const record = made.get(name) ?? make(name);
      made.set(name, record);
      record(value, attributes);
    });
  }

  // A series that begins with its first event hides it: a rate needs a sample of before.
  function startAtZero(): void {
    for (const [name, { kind, attributes }] of Object.entries(registry.metrics))
      if (kind === 'counter') for (const each of combinations(registry, attributes)) measure(name as Name, 0, each);
  }
  if (measuring) startAtZero();
  else waitingToStart.push(startAtZero);

  return {
    /** Adds to a counter, records into a histogram (durations in seconds), or sets a gauge. */
    measure,
    /** Reads a gauge whenever metrics are collected. */
    watch(name: Name, read: () => number | undefined): void {
      const { unit, brief: description } = registry.metrics[name] as Metric;
      const gauge = metrics.getMeter('onbehalf').createObservableGauge(name, { unit, description });
      gauge.addCallback((result) => {
        const value = read();
        if (value !== undefined) result.observe(value);
      });
    },
  };
}

/** Every combination of the closed values of these attributes; those with open values are left out. */
function combinations(registry: Registry, names: string[]): Attributes[] {
  const known: Registry['attributes'] = { ...signals.attributes, ...registry.attributes };
  return names.reduce<Attributes[]>(
    (all, name) => {
      const values = known[name]?.values;
      return values ? all.flatMap((each) => values.map((value) => ({ ...each, [name]: value }))) : all;
    },
    [{}],
  );
}

/** What this package measures. */
export const { measure } = createMeasures(signals);

/** Counts that mounted files were read anew, or could not be. */
export function noteReload(what: 'keys' | 'clients' | 'redis', ok: boolean): void {
  measure('onbehalf.reload', 1, { 'onbehalf.reload.what': what, 'onbehalf.result': ok ? 'ok' : 'failed' });
}

/** Seconds since `startedAtMs` of `performance.now()`. */
export function secondsSince(startedAtMs: number): number {
  return (performance.now() - startedAtMs) / 1_000;
}
