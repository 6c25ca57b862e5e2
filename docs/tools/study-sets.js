/**
 * Prints coverage and mean size of the conformal sets, and the balanced accuracy of the mean probability over the repeats (an
 * ensemble), from predictions.csv of a study, on crops at the places that the localizer found:
 *
 *     node docs/tools/study-sets.js STUDY/predictions.csv
 */
import { groupBy } from '#spinegrad/evaluation/groupBy.js';
import { readCsv } from '#spinegrad/io/csv.js';

const columns = ['repeat', 'labels', 'task', 'arm', 'crops', 'study', 'level', 'side', 'truth', 'p_0', 'set'];
const rows = (await readCsv(process.argv[2], columns)).map(({ fields }) => fields);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const row = (...cells) => console.log(`| ${cells.join(' | ')} |`);

/** Mean recall of the grades; each item is [true grade, probabilities]. */
function balancedAccuracy(items) {
  const recalls = [...groupBy(items, ([truth]) => truth)].map(([truth, discs]) =>
    mean(discs.map(([, p]) => Number(p.indexOf(Math.max(...p)) === truth))),
  );
  return mean(recalls);
}

const probabilities = (fields) =>
  Object.keys(fields)
    .filter((name) => /^p_\d+$/.test(name) && fields[name] !== '')
    .map((name) => Number(fields[name]));

row('task', 'labels', 'arm', 'coverage', 'grades per set', 'one training', 'ensemble');
row('---', '---:', '---', '---:', '---:', '---:', '---:');
const predicted = rows.filter(({ crops }) => crops === 'predicted');
for (const discs of groupBy(predicted, ({ task, labels, arm }) => `${task} ${labels} ${arm}`).values()) {
  const { task, labels, arm } = discs[0];
  const sets = discs.map(({ set }) => set.split(' ').filter((grade) => grade !== ''));
  const items = discs.map((fields) => [Number(fields.truth), probabilities(fields)]);
  const repeats = [...groupBy(items.keys(), (i) => discs[i].repeat).values()];
  const ensembled = [
    ...groupBy(items.keys(), (i) => `${discs[i].study} ${discs[i].level} ${discs[i].side}`).values(),
  ].map((same) => [
    items[same[0]][0],
    items[same[0]][1].map((_, g) => mean(same.map((i) => items[i][1][g]))),
  ]);
  row(
    ...[`\`${task}\``, labels, arm],
    mean(discs.map(({ truth }, i) => Number(sets[i].includes(truth)))).toFixed(3),
    mean(sets.map((set) => set.length)).toFixed(2),
    mean(repeats.map((repeat) => balancedAccuracy(repeat.map((i) => items[i])))).toFixed(3),
    balancedAccuracy(ensembled).toFixed(3),
  );
}
