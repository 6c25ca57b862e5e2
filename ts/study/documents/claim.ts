/** The CLAIM checklist, 2024 update (Tejani et al., Radiology: Artificial Intelligence 6(4):e240300, 2024). */
import type { StudySummary } from '../types.js';
import { formatChecklist, type Item } from './checklist.js';
import { sharedFacts } from './facts.js';

export function claimChecklist(summary: StudySummary): string {
  const { plan, tasks } = summary;
  const facts = sharedFacts(summary);
  const item = (number: number, subject: string, answer: string | null, open?: string): Item => ({
    ...{ number: String(number), subject, answer },
    ...(open === undefined ? {} : { open }),
  });
  const results = `${facts.results.join('. ')}.`;
  return formatChecklist(
    'CLAIM 2024',
    'Checklist for Artificial Intelligence in Medical Imaging, 2024 update (Tejani et al., Radiol. Artif. Intell. 2024).',
    [
      {
        title: 'Title and abstract',
        items: [
          item(1, 'Title names the AI method', 'Deep learning, convolutional networks.', 'the title'),
          item(2, 'Structured abstract', null),
        ],
      },
      {
        title: 'Introduction',
        items: [
          item(3, 'Background, intended use and role', null),
          item(
            4,
            'Aims and hypotheses',
            `Comparison of ${plan.arms.map(({ name }) => name).join(', ')} at ${plan.labels.length} label fractions.`,
            'the hypotheses',
          ),
        ],
      },
      {
        title: 'Methods',
        items: [
          item(5, 'Prospective or retrospective', null),
          item(6, 'Goal of the study', `Grading of ${facts.tasks}; comparison of training methods.`),
          item(7, 'Source of the data', facts.data, 'dates and places of the examinations'),
          item(
            8,
            'Inclusion and exclusion',
            'What the program skipped is listed with its reason in the output of `prepare`.',
            'the criteria of the data set',
          ),
          item(
            9,
            'Preprocessing',
            'Slice choice, orientation, cropping and normalisation: docs/data.md of spinegrad.',
          ),
          item(
            10,
            'Selection of parts of the data',
            'One crop per graded disc and slice around the disc centre: docs/data.md.',
          ),
          item(11, 'De-identification', null),
          item(
            12,
            'Missing data',
            'Discs without a grade are not used for that task; a disc that the localizer did not find is graded at an estimated centre.',
          ),
          item(
            13,
            'Image acquisition',
            tasks.some(({ groups }) => groups) ? 'Scanners and field strengths: report.html.' : null,
            'the protocol',
          ),
          item(
            14,
            'Definition of the reference standard',
            `Grades of the readers: ${facts.tasks}.`,
            'the grading rules',
          ),
          item(15, 'Reason for this reference standard', null),
          item(16, 'Source of the annotations', null, 'readers and their experience'),
          item(
            17,
            'Annotation of the test set',
            'The same annotations as in training; each patient is a test patient once per repeat.',
          ),
          item(18, 'Agreement within and between readers', null),
          item(19, 'Assignment to partitions', facts.design),
          item(20, 'Level of disjoint partitions', 'Patient.'),
          item(21, 'Sample size', `${facts.sizes}. ${facts.power ?? ''}`.trim(), 'its justification'),
          item(22, 'Model', 'Architecture, heads and losses: docs/networks.md; settings: report.html.'),
          item(23, 'Software', facts.software),
          item(24, 'Initial parameters', facts.arms),
          item(
            25,
            'Training',
            'Augmentation, optimizer, schedule, seeds: docs/settings.md; settings: report.html.',
          ),
          item(
            26,
            'Choice of the final model',
            'The epoch with the best result on validation patients of the same fold.',
          ),
          item(
            27,
            'Ensembles',
            'None in the reported metrics; the table of largest errors uses mean probabilities over the repeats.',
          ),
          item(28, 'Metrics', facts.metrics),
          item(29, 'Significance and uncertainty', facts.statistics),
          item(
            30,
            'Robustness',
            'Predicted versus annotated crops; label fractions; repeats with other seeds.',
            'other analyses',
          ),
          item(31, 'Explainability', null),
          item(32, 'Internal evaluation', facts.design),
          item(33, 'External evaluation', 'None in this study.', 'an external test set'),
          item(34, 'Registration', null),
        ],
      },
      {
        title: 'Results',
        items: [
          item(35, 'Included and excluded patients', facts.sizes, 'a flow diagram'),
          item(36, 'Demographic and clinical characteristics', null),
          item(37, 'Performance with uncertainty', results),
          item(
            38,
            'Diagnostic accuracy and precision',
            'Recalls per grade with intervals and confusion matrices: report.html.',
          ),
          item(39, 'Failure analysis', 'Table of the largest errors: report.html.', 'its interpretation'),
        ],
      },
      {
        title: 'Discussion and other information',
        items: [
          item(
            40,
            'Limitations',
            'Internal evaluation only; intervals do not cover other hospitals.',
            'further limitations',
          ),
          item(41, 'Implications for practice', null),
          item(
            42,
            'Protocol and further details',
            'docs/evaluation.md of spinegrad; all settings: report.html.',
            'the protocol',
          ),
          item(43, 'Availability of software, model and data', facts.software, 'model and data'),
          item(44, 'Funding', null),
        ],
      },
    ],
  );
}
