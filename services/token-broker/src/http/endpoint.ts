import type { Client } from '../clients/clients.ts';
import type { Form } from '../input/form.ts';

/** JSON as text. ASCII has as many bytes as characters: to count them would copy a text that was just put together. */
export class JsonText {
  readonly text: string;
  readonly isAscii: boolean;

  constructor(text: string, isAscii: boolean) {
    this.text = text;
    this.isAscii = isAscii;
  }

  get bytes(): number {
    return this.isAscii ? this.text.length : Buffer.byteLength(this.text);
  }
}

/** The body of a response with status 200. */
export type ResponseBody = Record<string, unknown> | JsonText;
/** Handles the form of an authenticated client. @throws Fault. */
export type Endpoint = (client: Client, form: Form, traceId: string) => Promise<ResponseBody>;
