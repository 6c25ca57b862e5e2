/** The kinds of localizers. This file loads without the native addon. */

/** Values of the setting `localization.network`: the U-Net, and the coordinate regression as the baseline. */
export const LOCALIZER_KINDS = ['unet', 'regression'] as const;
