import { describe, expect, it } from 'vitest';
import { DEFAULT_TASK, registerTask, taskIds, taskOf } from '#spinegrad/tasks/index.js';
import { RSNA_TASKS } from '#spinegrad/tasks/rsna.js';
import type { Task } from '#spinegrad/tasks/task.js';

const canal = taskOf(DEFAULT_TASK);

describe('the registry', () => {
  it('has the five RSNA conditions', () => {
    expect(RSNA_TASKS.map(({ id, series, side }) => [id, series[0]!.name, side])).toEqual([
      ['rsna/spinal_canal_stenosis', 'Sagittal T2/STIR', null],
      ['rsna/left_neural_foraminal_narrowing', 'Sagittal T1', 'left'],
      ['rsna/right_neural_foraminal_narrowing', 'Sagittal T1', 'right'],
      ['rsna/left_subarticular_stenosis', 'Axial T2', 'left'],
      ['rsna/right_subarticular_stenosis', 'Axial T2', 'right'],
    ]);
    for (const task of RSNA_TASKS) expect(taskOf(task.id)).toBe(task);
    expect(taskIds()).toEqual(expect.arrayContaining(RSNA_TASKS.map(({ id }) => id)));
  });

  it('refuses an unknown id and lists the known ones', () => {
    expect(() => taskOf('rsna/scoliosis', 'model.json')).toThrow(
      expect.objectContaining({
        code: 'ERR_TASK',
        message: expect.stringMatching(
          /^model\.json: there is no task 'rsna\/scoliosis'; expected one of rsna\/spinal_canal_stenosis, /,
        ),
      }),
    );
  });

  it.each<[string, Partial<Task>, RegExp]>([
    ['a taken id', { id: canal.id }, /found a task of the same id/],
    ['one grade', { grades: canal.grades.slice(1, 2) }, /found 1 grades; expected two or more/],
    [
      'equal names',
      { grades: [canal.grades[0]!, { ...canal.grades[1]!, name: 'normal' }] },
      /distinct names/,
    ],
    [
      'labels that differ in case only',
      { grades: [canal.grades[0]!, { ...canal.grades[1]!, labels: ['normal/mild'] }] },
      /distinct labels/,
    ],
    [
      'a weight of 0',
      { grades: canal.grades.map((grade) => ({ ...grade, weight: 0 })) },
      /the weights 0, 0, 0/,
    ],
    ['no levels', { levels: [] }, /expected one or more/],
    ['a level twice', { levels: ['L4/L5', 'L4/L5'] }, /each once/],
  ])('refuses a task with %s', (_, change, message) => {
    expect(() => registerTask({ ...canal, id: 'test/refused', ...change })).toThrow(
      expect.objectContaining({ code: 'ERR_TASK', message: expect.stringMatching(message) }),
    );
    expect(taskIds()).not.toContain('test/refused');
  });
});
