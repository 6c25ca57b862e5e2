/** The names of the heads: values of the setting `finetuning.head`. This file loads without the native addon. */
export const HEAD_NAMES = ['softmax', 'coral'] as const;
export type HeadName = (typeof HEAD_NAMES)[number];
