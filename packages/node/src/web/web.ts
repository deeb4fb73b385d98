/** `@onbehalf/node/web`: what an app of yours that signs people in imports. */
export { ConfigError } from '../core/config-error.ts';
export { Fault, type FaultCode } from '../core/fault.ts';
export { type AnyRequest, createWeb, type Web } from './fetch-web.ts';
export { handleFaults, type OnBehalfRequest, onbehalf, requestOf, requireSignIn } from './middleware.ts';
export type { WebApi, WebOptions } from './options.ts';
export type { Pages } from './pages/pages.ts';
export type { WebSession, WebUser } from './web-core.ts';
