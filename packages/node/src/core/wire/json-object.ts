/** Whether a text is a JSON object, as the `claims` parameter is. OpenID Connect Core section 5.5. */
export function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
