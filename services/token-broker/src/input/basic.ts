/**
 * Id and secret of `Authorization: Basic`; undefined for any other header. The secret is returned as it was sent and
 * also decoded: RFC 6749 section 2.3.1 requires form encoding, and many clients do not encode it.
 */
export function parseBasic(authorization: string): { id: string; secrets: string[] } | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/]+=*)$/i.exec(authorization)?.[1];
  const [, id, secret] = /^([^:]*):([\s\S]*)$/.exec(Buffer.from(encoded ?? '', 'base64').toString()) ?? [];
  if (!id || !secret) return undefined;
  return { id: formDecoded(id), secrets: [...new Set([secret, formDecoded(secret)])] };
}

function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
