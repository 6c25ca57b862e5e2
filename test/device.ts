import type { Device, DeviceOptions } from '#spinegrad/engine/device.js';
import { type DeviceKind, openDevice } from '#spinegrad/engine/openDevice.js';

/** The device under test: SPINEGRAD_TEST_DEVICE, by default `cpu`. The vitest project `cuda` sets it to `cuda`. */
export const DEVICE = (process.env.SPINEGRAD_TEST_DEVICE ?? 'cpu') as DeviceKind;

/** Opens the device under test with a value of SPINEGRAD_CUDA_GEMM, which a device reads when it opens. */
export async function openWithGemm(variant: string, options?: DeviceOptions): Promise<Device> {
  process.env.SPINEGRAD_CUDA_GEMM = variant;
  try {
    return await openDevice(DEVICE, options);
  } finally {
    delete process.env.SPINEGRAD_CUDA_GEMM;
  }
}
