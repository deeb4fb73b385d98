import { scenario } from './scenario.ts';

scenario({ name: 'strict', web: { COOKIE_SAME_SITE: 'strict' } });
