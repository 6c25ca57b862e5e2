/** Relations between the parts of model.json, which its schema cannot state. */
import type { ModelDescription } from './description.js';
import { inputsOf } from './fusion/spec.js';
import { headFits, headsFor } from './heads/names.js';
import { MAPS } from './localizer.js';

/** A value that contradicts others. */
export interface Contradiction {
  /** Keys from the top of model.json. */
  path: readonly (string | number)[];
  expected: string;
}

/** The values that contradict others. The heads are those of the tasks, in the same order. */
export function* contradictions(description: ModelDescription): Generator<Contradiction> {
  const { arms, recommended, trainedOn, sites } = description;
  const names = arms.map(({ name }) => name);
  const ids = trainedOn.tasks.map(({ id }) => id);
  if (!names.includes(recommended))
    yield { path: ['recommended'], expected: `the name of an arm: ${names.join(' or ')}` };
  yield* repeated(names, (arm) => ['arms', arm, 'name']);
  yield* repeated(ids, (task) => ['trainedOn', 'tasks', task, 'id']);
  yield* ofInput(description);
  yield* ofLocalizer(description);
  for (const arm of arms.keys()) yield* ofArm(description, arm);
  for (const [site, { tasks }] of sites.entries()) {
    const unknown = tasks.findIndex((id) => !ids.includes(id));
    if (unknown >= 0)
      yield { path: ['sites', site, 'tasks', unknown], expected: `a task of the model: ${ids.join(' or ')}` };
  }
}

function* ofInput({ input: { spec, normalisation } }: ModelDescription): Generator<Contradiction> {
  const { fusion, series, slices } = spec;
  yield* repeated(series, (index) => ['input', 'spec', 'series', index]);
  if (fusion === 'attention' ? slices % 2 === 0 : slices !== 1) {
    const expected = fusion === 'attention' ? 'an odd number' : `1, because the fusion is ${fusion}`;
    yield { path: ['input', 'spec', 'slices'], expected };
  }
  const inputs = inputsOf(spec);
  if (normalisation.length !== inputs)
    yield { path: ['input', 'normalisation'], expected: `${inputs}, because the fusion is ${fusion}` };
}

function* ofLocalizer({ localizer: { network } }: ModelDescription): Generator<Contradiction> {
  const path = ['localizer', 'network', 'network'];
  if (network.network.inputChannels !== 1)
    yield { path: [...path, 'inputChannels'], expected: '1, because slices are gray' };
  if (network.kind !== 'unet') return;
  const { levels, outputs } = network.network;
  if (outputs !== MAPS.length)
    yield { path: [...path, 'outputs'], expected: `${MAPS.length}: the maps ${MAPS.join(', ')}` };
  const stride = 2 ** (levels - 1);
  if (network.sliceSize % stride !== 0) {
    const expected = `a multiple of ${stride}, because the network has ${levels} levels`;
    yield { path: ['localizer', 'network', 'sliceSize'], expected };
  }
}

function* ofArm({ arms, input, trainedOn }: ModelDescription, arm: number): Generator<Contradiction> {
  const { network, calibration } = arms[arm]!;
  const { encoder, heads } = network;
  const { fusion } = input.spec;
  const inputs = inputsOf(input.spec);
  const because = `because the input has ${inputs} series with the fusion ${fusion}`;
  const path = ['arms', arm, 'network', 'encoder'];
  const channels = fusion === 'channels' ? inputs : 1;
  if (encoder.inputChannels !== channels)
    yield { path: [...path, 'inputChannels'], expected: `${channels}, ${because}` };
  const series = fusion === 'attention' ? inputs : undefined;
  if (encoder.series !== series)
    yield { path: [...path, 'series'], expected: `${series ?? 'nothing'}, ${because}` };
  for (const [task, scale] of trainedOn.tasks.entries()) {
    if (!headFits(heads[task]!.head, scale)) {
      const expected = `${headsFor(scale).join(' or ')}, because of the grades of task ${scale.id}`;
      yield { path: ['arms', arm, 'network', 'heads', task, 'head'], expected };
    }
    if (calibration[task]!.discs.length !== scale.grades.length) {
      const expected = `${scale.grades.length} numbers, one per grade of task ${scale.id}`;
      yield { path: ['arms', arm, 'calibration', task, 'discs'], expected };
    }
  }
}

/** One for each value that occurred before. */
function* repeated(
  values: readonly string[],
  path: (index: number) => Contradiction['path'],
): Generator<Contradiction> {
  for (const [index, value] of values.entries()) {
    if (values.indexOf(value) < index) yield { path: path(index), expected: 'a name that occurs once' };
  }
}
