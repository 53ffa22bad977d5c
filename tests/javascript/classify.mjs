// node classify.mjs < jobs.json > answers.json

import { readFileSync } from 'node:fs';

import * as transformers from '@huggingface/transformers';

import { answer } from './answering.mjs';

const jobs = JSON.parse(readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(await answer(transformers, 'cpu', jobs)));
