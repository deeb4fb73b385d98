import { z } from 'zod';

/** Headers that no list lets pass, by kind: each a part of a regular expression over whole names in lower case. */
export const notListed = {
  /** Of one hop: how a message is framed, and where it goes. */
  hop: 'connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|via|expect|content-length|max-forwards',
  protocol: 'http2-settings|early-data|alt-.*',
  /** Who asks, and from where: only this service may state that. */
  origin: 'forwarded|x-forwarded.*|(x-|true-|x-cluster-|cf-)?(real|client|connecting)-ip|x-envoy-.*',
  identity: 'authorization|(www-authenticate|authentication-info)|(set-)?cookie2?|x-csrf|(x-)?remote-.*|impersonate-.*',
  proxies: 'x-ms-client-principal.*|x-ms-token-.*|x-auth-request-.*|x-webauth-.*',
  certificates: '(x-)?(ssl-)?client-cert.*|(x-)?ssl-client-.*|x-arr-.*',
  trace: 'traceparent|tracestate|baggage',
  /** Has a server take another address or method than was judged, or send a file of its own. */
  detour: 'x-original-.*|x-rewrite-url|(x-)?http-method.*|(x-)?method-override|x-accel-.*|x-(lighttpd-)?send-?file',
  /** What tells a browser something of this whole origin, or of what its page may do. */
  browser: 'sec-.*|origin|referer|access-control-.*|cross-origin-.*|origin-agent-cluster|clear-site-data|refresh',
  policies: 'content-security-policy.*|(permissions|feature|referrer|document)-policy.*|speculation-rules',
  protections: 'x-frame-options|x-content-type-options|x-xss-protection|strict-transport-security|public-key-pins.*',
  further: 'expect-ct|nel|report-to|reporting-endpoints|service-worker.*|(accept|critical)-ch|(x-)?sourcemap',
  /** What caches make of a response: caching.ts says it anew. */
  caches: '(.*-)?cache-control|(x-)?cache(-.*)?|surrogate-.*|edge-.*|pragma|expires|age|vary|warning',
  dictionaries: 'no-vary-search|use-as-dictionary',
};
const anyNotListed = new RegExp(`^(${Object.values(notListed).join('|')})$`);

/** RFC 9110 section 5.1, and a bound. */
export const headerShape = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;

/** A header that an API's lists may let pass, in lower case. */
export const headerName = z
  .string()
  .regex(headerShape, 'must be a header name')
  .toLowerCase()
  .refine(
    (name) => !anyNotListed.test(name),
    'must not be of a hop, a cache, an identity or a browser’s protection, nor lead to another address or method',
  );
