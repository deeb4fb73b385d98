/** Collects every metric in Prometheus' text format; undefined while metrics are off. Set by the telemetry SDK. */
let collect: (() => Promise<string>) | undefined;

export function serveMetrics(collector: typeof collect): void {
  collect = collector;
}

/** The page of `/metrics`; undefined where metrics are off or cannot be collected: a probe's listener never fails. */
export async function metricsPage(): Promise<string | undefined> {
  return await collect?.().catch(() => undefined);
}
