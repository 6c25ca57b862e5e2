/** The largest errors as a table, with their image files. */
import { decimal, UNDEFINED } from '../../report/format.js';
import { type Markup, markup } from '../../report/markup.js';
import { heads, number, table } from '../../report/tables/cells.js';
import type { Task } from '../../tasks/task.js';
import type { WorstError } from '../worstErrors.js';

export function errorsTable({ grades }: Task, errors: readonly WorstError[]): Markup {
  return table(
    'Largest errors',
    markup`<tr><th scope="col">study</th><th scope="col">disc</th><th scope="col">readers</th><th scope="col">model</th>
${heads(['probability', 'wrong repeats', 'localization mm'])}<th scope="col">doubts</th><th scope="col">image</th></tr>`,
    errors.map(
      ({ study, disc, truth, predicted, probabilities, wrong, repeats, localizationMm, flags, image }) =>
        markup`<tr><th scope="row">${study}</th><td>${disc}</td><td>${grades[truth]!.name}</td><td>${grades[predicted]!.name}</td>
${number(decimal(probabilities[predicted]!, 2), `readers' grade: ${decimal(probabilities[truth]!, 2)}`)}${number(`${wrong} of ${repeats}`)}
${number(decimal(localizationMm, 1))}<td>${flags.join(', ') || UNDEFINED}</td><td><code>${image}</code></td></tr>`,
    ),
  );
}
