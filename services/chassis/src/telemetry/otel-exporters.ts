import { readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { Agent as TlsAgent } from 'node:https';
import { OTLPMetricExporter as GrpcMetrics } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as JsonMetrics } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtobufMetrics } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as GrpcTraces } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonTraces } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufTraces } from '@opentelemetry/exporter-trace-otlp-proto';
import type { PushMetricExporter } from '@opentelemetry/sdk-metrics';
import type { SpanExporter } from '@opentelemetry/sdk-trace';
import type { Protocol } from './otel-settings.ts';

/** The stock exporter of spans: endpoint, timeout, headers, compression and certificates it reads from the environment. */
export function traceExporter(protocol: Protocol, env: NodeJS.ProcessEnv): SpanExporter {
  if (protocol === 'grpc') return new GrpcTraces();
  const options = { httpAgentOptions: agentOf(env, 'TRACES') };
  return protocol === 'http/json' ? new JsonTraces(options) : new ProtobufTraces(options);
}

/** The stock exporter of metrics. */
export function metricExporter(protocol: Protocol, env: NodeJS.ProcessEnv): PushMetricExporter {
  if (protocol === 'grpc') return new GrpcMetrics();
  const options = { httpAgentOptions: agentOf(env, 'METRICS') };
  return protocol === 'http/json' ? new JsonMetrics(options) : new ProtobufMetrics(options);
}

/**
 * The agent of an exporter over HTTP, as it makes one itself, but that it goes through the proxy that is set: an agent of
 * its own knows of none. A certificate that cannot be read is left out; the exporter has said so.
 */
function agentOf(env: NodeJS.ProcessEnv, signal: string) {
  const read = (name: string) => {
    const path = env[`OTEL_EXPORTER_OTLP_${signal}_${name}`] || env[`OTEL_EXPORTER_OTLP_${name}`];
    try {
      return path ? readFileSync(path) : undefined;
    } catch {
      return undefined;
    }
  };
  const [ca, cert, key] = [read('CERTIFICATE'), read('CLIENT_CERTIFICATE'), read('CLIENT_KEY')];
  return async (protocol: string) =>
    protocol === 'https:'
      ? new TlsAgent({ keepAlive: true, proxyEnv: env, ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) })
      : new Agent({ keepAlive: true, proxyEnv: env });
}
