import { isJsonObject } from '@onbehalf/node/core/wire/json-object';
import { z } from 'zod';

/** For the OpenAPI document only: `readForm` refuses NUL. */
const noNul = '^[^\\u0000]*$';

const upTo = (most: number) => {
  const fits = (value: string) => value.length <= most || [...value].length <= most;
  return z.string().refine(fits, `may have ${most} characters`).meta({ maxLength: most, pattern: noNul });
};

/** A parameter of at most so many characters, as JSON Schema counts them. */
export function text(most: number) {
  return upTo(most).min(1).meta({ maxLength: most, pattern: noNul });
}

/** The same for an optional parameter. Without a value it counts as absent (RFC 6749 section 3.1). */
export function optionalText(most: number) {
  return upTo(most).optional();
}

/** A parameter that is not supported; it may be sent without a value. */
export const absent = z.literal('', 'is not supported').optional();

/** The `claims` parameter, OIDC Core section 5.5: a JSON object, as in a claims challenge. */
export const claims = upTo(8_192)
  .refine(isJsonObject, 'is not a JSON object')
  .meta({
    maxLength: 8_192,
    pattern: '^(\\s*\\{[^\\u0000]*\\}\\s*)?$',
    contentMediaType: 'application/json',
    contentSchema: { type: 'object' },
  })
  .optional();
