/* demo.mjs: what the demo model must say, read from the header that the C tests share, and the model's path where there is one. */

import { readFileSync } from 'node:fs';

const header = readFileSync(new URL('../../../tests/demo_digest.h', import.meta.url), 'utf8');

export const demoModel = process.env.TALLY_DEMO_MODEL;
export const noDemoModel = demoModel ? false : 'TALLY_DEMO_MODEL is not set';
export const demoText = /demo_text\[\] =\s*"([^"]*)"/.exec(header)[1];
export const demoIds = /demo_ids\[DEMO_STEPS\] = \{([^}]*)\}/.exec(header)[1].split(',').map(Number);
