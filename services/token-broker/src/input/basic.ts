/**
 * Id and secret of `Authorization: Basic`; the secret as it came and as RFC 6749 section 2.3.1 has it encoded, since many
 * clients do not encode it. Undefined for anything else.
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
