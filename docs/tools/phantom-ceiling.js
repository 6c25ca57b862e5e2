/**
 * Balanced accuracy of the phantom's grades without reader error against the stored grades: the most that a model can
 * be expected to reach.
 *
 *     node docs/tools/phantom-ceiling.js [studies] [seed]
 */
import { balancedAccuracy, confusionMatrix } from '../../dist/evaluation/metrics.js';
import { readStudy } from '../../dist/phantom/reader.js';
import { drawStudy } from '../../dist/phantom/study.js';

const [studies, seed] = [Number(process.argv[2] ?? 600), Number(process.argv[3] ?? 1)];
const readings = Array.from({ length: studies }, (_, index) =>
  readStudy(drawStudy(seed, index, 'enriched', 5)),
).flat();
const stored = readings.map(({ reportedGrade }) => reportedGrade);
const errorFree = readings.map(({ grade }) => grade);
console.log(balancedAccuracy(confusionMatrix(stored, errorFree, 3)).toFixed(3));
