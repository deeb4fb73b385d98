import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { openTls } from '../../../services/entra-emulator/src/tokens/tls.ts';

const envelopeSchema = z.object({
  tags: z.record(z.string(), z.string()),
  data: z.object({
    baseType: z.string(),
    baseData: z.object({
      name: z.string(),
      success: z.boolean(),
      duration: z.string(),
      /** Of a request. */
      url: z.string().optional(),
      responseCode: z.string().optional(),
      /** Of a dependency. */
      target: z.string().optional(),
      type: z.string().optional(),
    }),
  }),
});

/** What Application Insights is told: a request to a role, or a call of a role to a target. */
export type Envelope = z.output<typeof envelopeSchema>;

const isRequestOrDependency = (line: { data?: { baseType?: string } }) =>
  ['RequestData', 'RemoteDependencyData'].includes(line.data?.baseType ?? '');

/** Azure Monitor's ingestion endpoint, as far as its exporter needs one. Keeps what arrives. */
export async function openIngestion() {
  const envelopes: Envelope[] = [];
  const tls = await openTls(['localhost'], undefined);
  const server = createServer(tls, async (req, res) => {
    const body = await buffer(req);
    const text = req.headers['content-encoding'] === 'gzip' ? gunzipSync(body).toString() : body.toString();
    const lines = text.startsWith('[')
      ? JSON.parse(text)
      : text
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line));
    // Besides, the exporter tells Microsoft of itself.
    const ours = lines.filter(isRequestOrDependency);
    envelopes.push(...z.array(envelopeSchema).parse(ours));
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify({ itemsReceived: lines.length, itemsAccepted: lines.length, errors: [] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    authority: tls.ca,
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    envelopes,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
