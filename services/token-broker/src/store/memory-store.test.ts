import { memoryStore } from './memory-store.fake.ts';
import { storeContract } from './store.contract.ts';

storeContract('the memory store', async () => {
  const store = memoryStore();
  return { store, ttlMs: async (key) => store.ttls().get(key) ?? -2 };
});
