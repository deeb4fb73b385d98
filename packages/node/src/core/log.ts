type Write = (fields: object, message?: string) => void;

/** Where events are told: pino's methods, as far as they are used here. */
export type Log = { info: Write; warn: Write; error: Write };
