import { scenario } from '../kit/browser/scenario/scenario.ts';

scenario({ name: 'strict', web: { COOKIE_SAME_SITE: 'strict' } });
