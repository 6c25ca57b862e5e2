/** A model card (Mitchell et al., "Model Cards for Model Reporting", FAT* 2019). */
import type { StudySummary } from '../types.js';
import { sharedFacts } from './facts.js';

export function modelCard(summary: StudySummary): string {
  const { name, data, tasks } = summary;
  const facts = sharedFacts(summary);
  const groups = tasks.some((task) => task.groups !== null);
  return `# Model card: ${name}

${facts.missing === null ? '' : `**${facts.missing}**\n\n`}## Model

- Networks that grade the lumbar discs on MRI: ${facts.tasks}.
- Arms: ${facts.arms}.
- ${facts.software} The settings are in \`report.html\`.
- Licence, contact, citation: **open**.

## Intended use

- Research on grading and on pretraining. Not a medical device; not for diagnosis.
- Input: ${data.series.join(', ')} MRI of the lumbar spine. Other body parts, other series and implants have not been tested.
- Users: **open**.

## Factors

- Results per level and per grade are in \`report.html\` and \`summary.json\`.
- Scanner and field strength: ${groups ? 'results by group are in `report.html`.' : 'unknown to the study, therefore not evaluated.'}
- Age, sex, ethnicity, body habitus: not evaluated; **open**.

## Metrics

- ${facts.metrics}
- ${facts.statistics}

## Training and evaluation data

- ${facts.data}
- ${facts.design} No test patient was used for training or for a choice.
- ${facts.sizes}.

## Results

${facts.results.map((result) => `- ${result}.`).join('\n')}
- ${facts.power ?? 'The sample is too small for a statement of power.'}

## Ethical considerations

- Consent, ethics approval and de-identification of the data: **open**.
- The grades are those of readers, with their disagreement; a network inherits it.

## Caveats

- All results are internal: the test patients come from the same data set as the training patients.
- Intervals cover the choice of patients, not another hospital.
- The localizer's errors are included on predicted crops only.
`;
}
