/** The same text in memory of its own: a part cut from a request keeps the whole request alive as long as itself. */
export function detached(text: string): string {
  return Buffer.from(text).toString();
}
