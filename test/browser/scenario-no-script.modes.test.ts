import { scenario } from '../kit/browser/scenario.ts';

scenario({ name: 'no-script', javaScriptEnabled: false });
