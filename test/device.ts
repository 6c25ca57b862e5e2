import type { DeviceKind } from '#spinegrad/engine/openDevice.js';

/** The device under test: SPINEGRAD_TEST_DEVICE, by default `cpu`. The vitest project `cuda` sets it to `cuda`. */
export const DEVICE = (process.env.SPINEGRAD_TEST_DEVICE ?? 'cpu') as DeviceKind;
