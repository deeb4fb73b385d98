/** Names every wrong key of a configuration and never a value: it is printed. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}
