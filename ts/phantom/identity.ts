import { RandomStream } from '../random.js';
import { PHANTOM_SERIES, type PhantomSeries, PURPOSE } from './study.js';

export interface Identity {
  readonly studyId: string;
  readonly seriesId: string;
  /** Digits of the UIDs (root 2.25, PS3.5 B.2). */
  readonly uid: string;
}

/** Study and series numbers in the format of the RSNA data. They depend only on (seed, index) and the series. */
export function identityOf(
  seed: number,
  index: number,
  series: PhantomSeries = 'Sagittal T2/STIR',
): Identity {
  const random = new RandomStream(seed, index, PURPOSE.identity);
  const order = String(index + 1).padStart(6, '0');
  const studyId = `${random.digits(4)}${order}`;
  let seriesId = random.digits(10);
  const uid = random.digits(30);
  for (let i = PHANTOM_SERIES.indexOf(series); i > 0; i--) seriesId = random.digits(10);
  return { studyId, seriesId, uid };
}
