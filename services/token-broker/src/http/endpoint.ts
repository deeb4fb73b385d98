import type { Client } from '../clients/clients.ts';
import type { Form } from '../input/form.ts';

/** JSON as text. */
export type JsonText = string;
/** The body of a response with status 200. */
export type ResponseBody = Record<string, unknown> | JsonText;
/** Handles the form of an authenticated client. @throws Fault. */
export type Endpoint = (client: Client, form: Form, traceId: string) => Promise<ResponseBody>;
