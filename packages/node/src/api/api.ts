/** `@onbehalf/node/api`: what an API of yours imports. */
export { ConfigError } from '../core/config-error.ts';
export { Fault, type FaultCode } from '../core/fault.ts';
export {
  bearer,
  handleFaults,
  onBehalfOf,
  requireAuthContext,
  requireRole,
  requireScope,
  userOf,
} from './middleware.ts';
export {
  type AnyRequest,
  type ApiOptions,
  type Needs,
  ProtectedApi,
  type User,
  type Verified,
} from './protected-api.ts';
