import type { WebResponse } from './response.ts';

export type HeardCookie = { name: string; value: string; flags: string; gone: boolean };

/** A response that hands on what is set on it; a cookie's flags come without the times. */
export function heardResponse(cookie: (cookie: HeardCookie) => void, header: (name: string, value: string) => void) {
  const appendHeader = (_: string, line: string) => {
    const [pair = '', ...attributes] = line.split('; ');
    const flags = attributes.filter((one) => !one.startsWith('Expires=')).join('; ');
    const expires = attributes.find((one) => one.startsWith('Expires='))?.slice('Expires='.length);
    const gone = expires !== undefined && Date.parse(expires) < Date.now();
    cookie({ name: pair.slice(0, pair.indexOf('=')), value: pair.slice(pair.indexOf('=') + 1), flags, gone });
  };
  return { appendHeader, setHeader: header } as unknown as WebResponse;
}
