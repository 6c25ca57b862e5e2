import type { DeviceKind } from '#spinegrad/engine/device.js';

/** The device under test: `cuda` in vitest's project of that name, else what SPINEGRAD_TEST_DEVICE says, else `cpu`. */
export const DEVICE = (process.env.SPINEGRAD_TEST_DEVICE ?? 'cpu') as DeviceKind;
