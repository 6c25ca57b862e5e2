/** The TRIPOD+AI checklist (Collins et al., BMJ 385:e078378, 2024) for development and evaluation of a model. */
import type { StudySummary } from '../types.js';
import { formatChecklist, type Item } from './checklist.js';
import { sharedFacts } from './facts.js';

export function tripodChecklist(summary: StudySummary): string {
  const { tasks, plan } = summary;
  const facts = sharedFacts(summary);
  const groups = tasks.some((task) => task.groups !== null);
  const item = (number: string, subject: string, answer: string | null, open?: string): Item => ({
    ...{ number, subject, answer },
    ...(open === undefined ? {} : { open }),
  });
  return formatChecklist(
    'TRIPOD+AI',
    'Reporting of prediction models with regression or machine learning (Collins et al., BMJ 2024), items for development and evaluation.',
    [
      {
        title: 'Title, abstract and introduction',
        items: [
          item('1', 'Title', `Development and internal evaluation; outcome: ${facts.tasks}.`, 'the title'),
          item('2', 'Abstract', null),
          item('3a', 'Health context and reason', null),
          item('3b', 'Target population and users', null),
          item('3c', 'Known health inequalities', null),
          item(
            '4',
            'Objectives',
            `Development and internal evaluation of ${plan.arms.length} arms.`,
            'the objectives',
          ),
        ],
      },
      {
        title: 'Methods',
        items: [
          item('5a', 'Sources of the data', facts.data, 'how representative they are'),
          item('5b', 'Dates of the data', null),
          item('6a', 'Setting and centres', null),
          item('6b', 'Eligibility', null),
          item('6c', 'Treatments', null),
          item(
            '7',
            'Preparation of the data',
            'docs/data.md of spinegrad; what was skipped and corrected is listed by `prepare`.',
          ),
          item(
            '8a',
            'Outcome and its assessment',
            `Grades of the readers: ${facts.tasks}.`,
            'how and when they were read',
          ),
          item('8b', 'Qualification of the assessors', null),
          item('8c', 'Blinding of the assessment', null),
          item(
            '9a',
            'Choice of predictors',
            `Pixels of ${summary.data.series.join(', ')} MRI around each disc.`,
          ),
          item(
            '9b',
            'Definition of predictors',
            'Crops of fixed physical size around the disc centre: docs/data.md.',
          ),
          item(
            '9c',
            'Qualification for subjective predictors',
            'Predicted crops: none, the localizer finds the disc. Annotated crops: centres of the readers.',
          ),
          item('10', 'Sample size', `${facts.sizes}. ${facts.power ?? ''}`.trim(), 'its justification'),
          item('11', 'Missing data', 'Discs without a grade are not used for that task.'),
          item('12a', 'Use of the data', facts.design),
          item(
            '12b',
            'Handling of predictors',
            'Intensity normalisation and augmentation: docs/settings.md.',
          ),
          item(
            '12c',
            'Model, building and internal validation',
            `${facts.arms}. Networks: docs/networks.md.`,
          ),
          item(
            '12d',
            'Differences between clusters',
            groups ? 'Results by scanner and field strength: report.html.' : null,
          ),
          item('12e', 'Measures of performance', `${facts.metrics} ${facts.statistics}`),
          item('12f', 'Model updating', 'None.'),
          item('12g', 'Calculation of predictions', 'Out-of-fold predictions of each disc: predictions.csv.'),
          item(
            '13',
            'Class imbalance',
            'Class weights and focal loss as set (report.html); their effect on calibration is measured.',
          ),
          item('14', 'Fairness', null),
          item('15', 'Output of the model', 'Probability of each grade; the predicted grade is the argmax.'),
          item('16', 'Differences between training and evaluation data', 'None: folds of the same data set.'),
          item('17', 'Ethics approval', null),
        ],
      },
      {
        title: 'Open science and involvement',
        items: [
          item('18a', 'Funding', null),
          item('18b', 'Conflicts of interest', null),
          item('18c', 'Protocol', null),
          item('18d', 'Registration', null),
          item('18e', 'Availability of the data', null),
          item('18f', 'Availability of the code', facts.software),
          item('19', 'Involvement of patients and the public', null),
        ],
      },
      {
        title: 'Results',
        items: [
          item('20a', 'Flow of participants', facts.sizes, 'a flow diagram'),
          item('20b', 'Characteristics of participants', null),
          item(
            '20c',
            'Comparison of development and evaluation data',
            'Folds of the same patients.',
            'characteristics',
          ),
          item('21', 'Participants and outcomes of each analysis', facts.sizes),
          item('22', 'Specification of the model', 'Weights and settings are in the folders of the cells.'),
          item('23a', 'Performance with intervals', `${facts.results.join('. ')}.`),
          item(
            '23b',
            'Performance between clusters',
            groups ? 'By scanner and field strength: report.html.' : null,
          ),
          item('24', 'Results of updating', 'No updating.'),
        ],
      },
      {
        title: 'Discussion',
        items: [
          item('25', 'Interpretation', null),
          item(
            '26',
            'Limitations',
            'Internal evaluation only; intervals do not cover other hospitals.',
            'further limitations',
          ),
          item(
            '27a',
            'Poor or missing input',
            '`predict` marks doubtful discs and refuses images without a lumbar spine.',
          ),
          item('27b', 'Interaction and expertise of users', null),
          item('27c', 'Next steps', null),
        ],
      },
    ],
  );
}
