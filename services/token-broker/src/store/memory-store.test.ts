import { MemoryStore } from './memory-store.fake.ts';
import { storeContract } from './store.contract.ts';

storeContract('the memory store', async () => {
  const store = new MemoryStore();
  return { store, ttlMs: async (key) => store.ttls().get(key) ?? -2 };
});
