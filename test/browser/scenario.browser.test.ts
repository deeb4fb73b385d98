import { scenario } from '../kit/browser/scenario/scenario.ts';

scenario({ name: 'query' });
