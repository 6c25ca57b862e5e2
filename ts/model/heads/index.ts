/** The registry of heads. A new head is a file, its name and scales in names.ts, and its entry here. */
import { binary } from './binary.js';
import { coral } from './coral.js';
import { corn } from './corn.js';
import type { Head } from './head.js';
import type { HeadName } from './names.js';
import { softmax } from './softmax.js';

export const HEADS: Readonly<Record<HeadName, Head>> = { softmax, coral, corn, binary };
