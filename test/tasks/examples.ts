/** Tasks whose grading scales differ from RSNA's. Importing this file registers them. */
import { LEVELS } from '#spinegrad/anatomy.js';
import { DEFAULT_TASK, registerTask, taskOf } from '#spinegrad/tasks/index.js';
import { snakeCase, type Task } from '#spinegrad/tasks/task.js';

const example = (id: string, title: string, ordered: boolean, names: readonly string[]): Task => ({
  ...taskOf(DEFAULT_TASK),
  id,
  column: snakeCase(title),
  title,
  levels: LEVELS.slice(1),
  ordered,
  grades: names.map((name, grade) => ({ name, labels: [`${grade + 1}`], weight: grade + 1 })),
});

/** Five ordered grades. */
export const PFIRRMANN = example('test/pfirrmann', 'Pfirrmann grade', true, ['I', 'II', 'III', 'IV', 'V']);
/** Two ordered grades. */
export const HERNIATION = example('test/herniation', 'Disc Herniation', true, [
  'no herniation',
  'herniation',
]);
/** Four nominal grades. */
export const MODIC = example('test/modic', 'Modic Changes', false, ['none', 'type 1', 'type 2', 'type 3']);

for (const task of [PFIRRMANN, HERNIATION, MODIC]) registerTask(task);
