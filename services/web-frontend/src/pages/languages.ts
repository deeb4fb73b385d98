import type { Request } from 'express';
import { english, type Texts } from './texts.ts';

/** By BCP 47 tag; the first is for whoever asks for none of them. */
const languages: Record<string, Texts> = { en: english };

/** The texts in the language that the browser likes best. RFC 9110 section 12.5.4. */
export function textsFor(req: Request, among = languages): Texts {
  const liked = req.acceptsLanguages(Object.keys(among));
  return (liked !== false ? among[liked] : undefined) ?? english;
}
