import { scenario } from './scenario.ts';

scenario({ name: 'no-script', javaScriptEnabled: false });
