import type { ServerResponse } from 'node:http';
import type { Fault } from '@onbehalf/node/core/fault';
import type { Page } from './page.ts';

export const plainText = 'text/plain; charset=utf-8';

export function sendPage(res: ServerResponse, { html, policy }: Page): void {
  res.setHeader('Content-Security-Policy', policy);
  send(res, 200, 'text/html; charset=utf-8', html);
}

export function sendJson(res: ServerResponse, value: unknown, status = 200): void {
  send(res, status, 'application/json', JSON.stringify(value));
}

export function sendFault(res: ServerResponse, fault: Fault): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  for (const [name, value] of Object.entries(fault.toHeaders())) res.setHeader(name, value);
  sendJson(res, fault.toBody(), fault.status);
}

export function send(res: ServerResponse, status: number, type: string, body: string): void {
  if (!res.hasHeader('Content-Security-Policy')) res.setHeader('Content-Security-Policy', "default-src 'none'");
  res.writeHead(status, {
    'Content-Type': type,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
  });
  res.end(body);
}
