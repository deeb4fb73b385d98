import { storeContract } from './store.contract.ts';
import { memoryStore } from './store-memory.ts';

storeContract('the memory store', async () => {
  const store = memoryStore();
  return { store, ttlMs: async (key) => store.ttls().get(key) ?? -2 };
});
