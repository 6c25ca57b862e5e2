/**
 * Levels with and without the vote of neighbouring slices (docs/predict.md), on the T2_SPACE slices of the test patients of
 * SPIDER: the table of `scripts/spider-table.js --space` has several slices of a patient, as images of their own.
 *
 *     node docs/tools/level-vote.js FOLDER... [--split validation]
 *
 * FOLDER is a run of `node train.js`, or the artefact of a localizer of a study, STUDY/artefacts/localizer-*. Each slice is named
 * alone, by a vote of the slices that `predict` would choose, and by a vote of all slices of the patient.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readBank } from '#spinegrad/data/bank.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { groupBy } from '#spinegrad/evaluation/groupBy.js';
import { discErrors, summariseLocalization } from '#spinegrad/evaluation/localization.js';
import { readSafetensors } from '#spinegrad/io/safetensors.js';
import { locateOnMaps } from '#spinegrad/model/locate.js';
import { mapsOf } from '#spinegrad/model/maps.js';
import { voteOnLevels } from '#spinegrad/model/vote.js';
import { votersOf } from '#spinegrad/predict/stackVote.js';
import { bankOf } from '#spinegrad/study/work.js';
import { evaluatedSlice, newLocalizer } from '#spinegrad/training/localize.js';
import { readIdentity } from '#spinegrad/training/runFolder.js';
import { SliceDataset } from '#spinegrad/training/sliceDataset.js';

/** Thickness of the slices of T2_SPACE; their files are named by their numbers. */
const SLICE_MM = 0.9;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { split: { type: 'string', default: 'test' } },
});
if (positionals.length === 0) {
  console.error('usage: node docs/tools/level-vote.js FOLDER... [--split validation]');
  process.exit(2);
}

/** The slices of a patient from one side to the other, with what the localizer finds on each. */
async function* stacksOf(folder, device) {
  const { config } = readIdentity(folder);
  const own = join(folder, 'bank');
  const bank = bankOf(await readBank(existsSync(own) ? own : join(folder, '../../bank')), config);
  const slices = new SliceDataset(device, bank);
  const localizer = newLocalizer({ config, device }, slices.pitchMm);
  const path = ['weights/localizer.safetensors', 'weights.safetensors']
    .map((file) => join(folder, file))
    .find(existsSync);
  localizer.load(await readSafetensors(path), path).eval();
  const { size, normalisation } = slices;
  const records = slices.annotated(values.split).filter(({ series }) => series === 'T2_SPACE');
  for (const [study, ofStudy] of groupBy(records, ({ studyId }) => studyId)) {
    const numberOf = ({ file }) => Number(/_slice(\d+)/.exec(file)[1]);
    const stack = ofStudy.sort((a, b) => numberOf(a) - numberOf(b));
    const letterboxed = slices.letterboxed(stack);
    const pixels = letterboxed.map((slice) => slice.pixels);
    const maps = await mapsOf(localizer, pixels, { device, size, normalisation });
    const found = stack.map((record, index) => {
      const [row, column] = record.pixelSpacing;
      return {
        record,
        ...{ maps: maps[index], slice: letterboxed[index] },
        located: locateOnMaps(maps[index], size, letterboxed[index]),
        toPlane: ([x, y]) => [x * column, y * row],
        instanceNumber: numberOf(record),
        geometry: {
          ...{ rowDirection: [0, 1, 0], columnDirection: [0, 0, -1] },
          position: [SLICE_MM * numberOf(record), 0, 0],
        },
      };
    });
    yield { study, size, slices: found };
  }
  localizer.dispose();
  slices.dispose();
}

const VOTERS = {
  alone: () => [],
  vote: (slices, graded) => votersOf(slices, graded),
  all: (slices, graded) => slices.filter((slice) => slice !== graded),
};

/** The slice as it is evaluated, and the votes. */
function evaluated(name, { slices, size }, graded) {
  const others = VOTERS[name](slices, graded).filter(({ located }) => located.lumbar);
  const { located, votes } =
    others.length > 0 && graded.located.lumbar
      ? voteOnLevels(graded, others, size)
      : { located: graded.located, votes: [] };
  return { slice: evaluatedSlice(graded.record, located), votes };
}

const isRight = (slice) =>
  discErrors(slice).every(({ level, nearestLevel }) => nearestLevel === null || nearestLevel === level);

const device = await openDevice('cpu', { threads: 1 });
const results = Object.fromEntries(Object.keys(VOTERS).map((name) => [name, { slices: [], middle: [] }]));
for (const folder of positionals) {
  for await (const stack of stacksOf(resolve(folder), device)) {
    const { study, slices } = stack;
    for (const name of Object.keys(VOTERS)) {
      const found = slices.map((graded) => evaluated(name, stack, graded));
      results[name].slices.push(...found.map(({ slice }) => slice));
      results[name].middle.push(found[slices.length >> 1].slice);
      if (found.every(({ slice }) => isRight(slice))) continue;
      console.log(`patient ${study}, ${name}`);
      for (const [index, { slice, votes }] of found.entries()) {
        const certainty = Math.min(...slice.found.map(({ levelProbability }) => levelProbability));
        const agreement = votes.map(({ discs, agreeing }) => `${agreeing}/${discs}`).join(' ');
        console.log(
          `  slice ${slices[index].instanceNumber}: ${isRight(slice) ? 'right' : 'wrong'}, ` +
            `level probability ${certainty.toFixed(2)}, votes [${agreement}], doubts [${slice.doubts}]`,
        );
      }
    }
  }
}
device.close();

const kOfN = ({ k, n }) => `${k} of ${n}`;
console.log(
  '| levels by | patients | middle slice of the patient | slices | within 5 mm | doubts: wrong | right |',
);
console.log('| --- | ---: | ---: | ---: | ---: | ---: | ---: |');
for (const [name, { slices, middle }] of Object.entries(results)) {
  const all = summariseLocalization(slices.flatMap(discErrors));
  const { patientsNamed } = summariseLocalization(middle.flatMap(discErrors));
  const right = slices.filter(isRight).length;
  const { wrong, wrongDoubtful, right: rightSlices, rightDoubtful } = all.slices;
  console.log(
    `| ${name} | ${kOfN(all.patientsNamed)} | ${kOfN(patientsNamed)} | ${right} of ${slices.length} | ` +
      `${(100 * all.within5Mm).toFixed(1)} % | ${wrongDoubtful} of ${wrong} | ${rightDoubtful} of ${rightSlices} |`,
  );
}
