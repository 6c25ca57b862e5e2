/** Graders of several tasks: one head per task, and losses that ignore missing grades. */
import { afterAll, describe, expect, it } from 'vitest';
import { backward, noGrad } from '#spinegrad/engine/autograd.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { gradeViews } from '#spinegrad/model/grade.js';
import { Grader } from '#spinegrad/model/grader.js';
import type { TaskHead } from '#spinegrad/model/heads/heads.js';
import { ResNet } from '#spinegrad/nn/resnet.js';
import { RandomStream } from '#spinegrad/random.js';

const device = await openDevice('cpu', { threads: 2 });
afterAll(() => device.close());

const SIDE = 32;
const HEADS: TaskHead[] = [
  { task: 'test/five', head: 'corn', grades: 5 },
  { task: 'test/two', head: 'binary', grades: 2 },
  { task: 'test/three', head: 'softmax', grades: 3 },
];

/** Frozen, so that batch norm does not mix the discs of a batch. */
function makeGrader(heads: readonly TaskHead[] = HEADS): Grader {
  const encoder = new ResNet({ device, random: new RandomStream(1) }, { depth: 18, width: 4 });
  return new Grader({ device, random: new RandomStream(2) }, encoder, { heads, frozen: true });
}

const pixels = Array.from({ length: 6 }, (_, disc) =>
  Array.from({ length: SIDE * SIDE }, (_, i) => Math.sin(i * (disc + 1))),
);
const images = (discs: readonly number[]): Tensor =>
  device.tensor(Float32Array.from(discs.flatMap((disc) => pixels[disc]!)), [discs.length, 1, SIDE, SIDE]);
const ALL = [0, 1, 2, 3, 4, 5];

const GRADES = [
  [4, null, 0],
  [0, 1, null],
  [null, 0, null],
  [2, 1, 2],
  [null, 0, null],
  [3, null, 1],
];

const optionsOf = (heads: readonly TaskHead[]) =>
  heads.map(({ grades }) => ({
    gamma: 2,
    labelSmoothing: 0,
    weighting: 'sqrt' as const,
    counts: Array.from({ length: grades }, (_, grade) => grade + 1),
  }));

/** The loss of discs and the gradients of the heads. */
async function lossOf(grader: Grader, discs: readonly number[], grades: readonly (number | null)[][]) {
  using loss = tidy(() => {
    const value = grader.loss(grader.forward(images(discs)), grades, optionsOf(grader.heads.of));
    backward(value);
    return value;
  });
  const gradients: Record<string, number[]> = {};
  for (const [name, { grad }] of grader.heads.parameters())
    if (grad) gradients[name] = [...(await grad.data())];
  return { loss: await loss.item(), gradients };
}

it('has one head per task, with the id of the task in its state names', () => {
  using grader = makeGrader();
  const shapes = [...grader.heads.state()].map(([name, { shape }]) => [name, shape]);
  const { features } = grader.encoder;
  expect(shapes).toEqual([
    ['test_five.weight', [4, features]],
    ['test_five.bias', [4]],
    ['test_two.weight', [1, features]],
    ['test_two.bias', [1]],
    ['test_three.weight', [3, features]],
    ['test_three.bias', [3]],
  ]);
  expect([...grader.state().keys()]).toContain('heads.test_five.weight');
});

it('refuses two tasks of the same state name', () => {
  const heads = ['test/a-b', 'test/a.b'].map((task) => ({ task, head: 'softmax', grades: 2 }) as const);
  expect(() => makeGrader(heads)).toThrow(
    expect.objectContaining({ code: 'ERR_TASK', message: expect.stringContaining('test_a_b') }),
  );
});

describe('the loss', () => {
  it('with missing grades is the sum over the tasks of the losses of the discs that have a grade', async () => {
    using grader = makeGrader();
    const { loss, gradients } = await lossOf(grader, ALL, GRADES);
    let sum = 0;
    for (const [task, head] of HEADS.entries()) {
      using single = makeGrader();
      const graded = ALL.filter((disc) => GRADES[disc]![task] !== null);
      const ofTask = graded.map((disc) =>
        HEADS.map((_, other) => (other === task ? GRADES[disc]![task]! : null)),
      );
      const subset = await lossOf(single, graded, ofTask);
      sum += subset.loss;
      const name = head.task.replace('/', '_');
      expect(Object.keys(subset.gradients)).toEqual([`${name}.weight`, `${name}.bias`]);
      for (const [key, expected] of Object.entries(subset.gradients)) {
        expected.forEach((slope, i) => {
          expect(gradients[key]![i], key).toBeCloseTo(slope, 5);
        });
      }
    }
    expect(loss).toBeCloseTo(sum, 5);
  });

  it('of one task has the same bits as without other tasks', async () => {
    const grades = ALL.map((disc) => [disc % 5]);
    using one = makeGrader([HEADS[0]!]);
    using more = makeGrader();
    const first = await lossOf(one, ALL, grades);
    const second = await lossOf(
      more,
      ALL,
      grades.map(([grade]) => [grade!, null, null]),
    );
    expect(second).toEqual(first);
  });

  it('of a batch without any grade is refused', () => {
    using grader = makeGrader();
    tidy(() => {
      const logits = grader.forward(images([0]));
      expect(() => grader.loss(logits, [[null, null, null]], optionsOf(HEADS))).toThrow(
        expect.objectContaining({ code: 'ERR_NO_TARGETS' }),
      );
    });
  });
});

it('grades views per task, and frees what it made', async () => {
  using grader = makeGrader();
  grader.eval();
  const before = device.memory().tensors;
  const parts = [
    [0, 1, 2, 3],
    [4, 5],
  ];
  const probabilities = await gradeViews(
    grader,
    parts.map((batch) => () => images(batch)),
  );
  expect(device.memory().tensors).toBe(before);
  expect(probabilities.map((rows) => rows.map((row) => row.length))).toEqual(
    HEADS.map(({ grades }) => ALL.map(() => grades)),
  );
  const expected = noGrad(() => tidy(() => grader.probabilities(grader.forward(images(ALL)))));
  const values = await expected[1]!.data();
  for (const tensor of expected) tensor.dispose();
  probabilities[1]!.flat().forEach((p, i) => {
    expect(p).toBeCloseTo(values[i]!, 6);
  });
});
