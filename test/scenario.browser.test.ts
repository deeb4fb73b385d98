import { scenario } from './scenario.ts';

scenario({ name: 'query' });
