import type { Sealing } from '../store/sealing.ts';
import type { Store } from '../store/store.ts';
import { type TokenRecord, tokenRecord } from './token.ts';

/** The fields of partitions. Each is sealed together with its key and name, so it opens only in its own place. */
export function createFields({ store, sealing }: { store: Store; sealing: Sealing }) {
  /** If the value was sealed with an old key, seals it again with the current one, so that the old key can be removed. */
  function open(key: string, field: string, sealed: Buffer): Buffer | undefined {
    const name = `${key} ${field}`;
    const opened = sealing.open(sealed, name);
    // In the background; if it fails, the next reader tries again.
    if (opened?.old) store.reseal(key, field, sealed, sealing.seal(opened.plaintext, name)).catch(() => {});
    return opened?.plaintext;
  }

  return {
    open,
    /** Undefined if there is none or it does not open. */
    openToken(key: string, field: string, sealed: Buffer | undefined): TokenRecord | undefined {
      const opened = sealed && open(key, field, sealed);
      return opened && tokenRecord.parse(JSON.parse(opened.toString()));
    },
    seal: (key: string, field: string, text: string): Buffer => sealing.seal(text, `${key} ${field}`),
  };
}

export type Fields = ReturnType<typeof createFields>;
