/**
 * Prints docs/settings.md from the schema of the settings:
 *
 *     node scripts/settings-page.js > docs/settings.md
 */
import { z } from 'zod';
import { configSchema, PRESETS, resolveConfig } from '#spinegrad/training/config.js';

const INTRODUCTION = `# Settings

<!-- Written by \`node scripts/settings-page.js > docs/settings.md\`; change ts/training/config.ts instead. -->

A run starts from a preset and changes single settings by \`--set\`, as often as needed:

    node train.js --preset paper --set data.roiMode=mm --set pretraining.temperature=0.07

The value is JSON or a word; lists are written \`--set 'localization.encoder.strides=[1,2,1]'\`. An unknown key or a value
that does not fit is an error before anything is computed. \`config.json\` in the run's folder holds every setting of the
run. Preset \`demo\` is the default column; where \`smoke\` or \`paper\` differ, the other two columns say so.`;

const { properties } = z.toJSONSchema(configSchema, { io: 'input' });
const presets = Object.fromEntries(Object.keys(PRESETS).map((name) => [name, resolveConfig(name)]));

const valueAt = (config, path) => path.split('.').reduce((inner, key) => inner[key], config);

/** The leaves below a node of the JSON schema, with their dotted keys. */
function leaves(node, path) {
  if (!node.properties) return [{ node, path }];
  return Object.entries(node.properties).flatMap(([key, inner]) => leaves(inner, `${path}.${key}`));
}

function range({ type, minimum, maximum, exclusiveMinimum, enum: words, anyOf, const: only, items }) {
  if (anyOf) return anyOf.map(range).join(' or ');
  if (words) return words.join(', ');
  if (only !== undefined) return String(only);
  if (items) return `list of ${range(items)}`;
  const number = type === 'integer' ? 'whole number' : type;
  const least = exclusiveMinimum === undefined ? minimum : exclusiveMinimum + (type === 'integer' ? 1 : 0);
  const above = exclusiveMinimum !== undefined && type !== 'integer';
  const most = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (least !== undefined && most !== undefined) return `${above ? 'above ' : ''}${least} to ${most}`;
  if (least !== undefined) return `${number}, ${above ? `above ${least}` : `${least} or more`}`;
  return number;
}

function row({ node, path }) {
  const values = Object.fromEntries(
    Object.entries(presets).map(([name, config]) => [name, JSON.stringify(valueAt(config, path))]),
  );
  const other = (name) => (values[name] === values.demo ? '' : values[name]);
  return `| \`${path}\` | ${values.demo} | ${other('smoke')} | ${other('paper')} | ${range(node)} | ${node.description} |`;
}

function section(title, rows) {
  return [
    `## ${title}`,
    '',
    '| key | demo | smoke | paper | takes | why |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows.map(row),
  ].join('\n');
}

const { preset: _, ...settings } = properties;
const top = Object.entries(settings).filter(([, node]) => !node.properties);
const sections = Object.entries(settings).filter(([, node]) => node.properties);
const page = [
  INTRODUCTION,
  section(
    'run',
    top.map(([path, node]) => ({ path, node })),
  ),
  ...sections.map(([name, node]) => section(name, leaves(node, name))),
];
process.stdout.write(`${page.join('\n\n')}\n`);
