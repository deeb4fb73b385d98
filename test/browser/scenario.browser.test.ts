import { scenario } from '../kit/browser/scenario.ts';

scenario({ name: 'query' });
