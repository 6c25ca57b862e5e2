/**
 * Prints docs/settings.md from the schema of the settings:
 *
 *     node docs/tools/settings.js > docs/settings.md
 */
import { z } from 'zod';
import { configSchema, PHANTOM_CHANGES, PRESETS, resolveConfig } from '#spinegrad/training/config.js';

const INTRODUCTION = `# Settings

<!-- Written by \`node docs/tools/settings.js > docs/settings.md\`; change ts/training/settings/ instead. -->

A run takes its settings from a preset. \`--set\` changes one setting and may be repeated:

    node train.js --preset paper --set data.roiMode=mm --set pretraining.temperature=0.07

The value is JSON or a word. A list is written as \`--set 'localization.regression.strides=[1,2,1]'\`. An unknown key or an
invalid value is an error before anything is computed. \`config.json\` in the run folder holds all settings of the run.
The columns \`smoke\` and \`paper\` are empty where these presets equal \`demo\`, the default preset.

Without \`--data\` the preset \`demo\` sets ${phantomChanges()}, so that a run on phantoms is short.`;

/** The settings that `demo` changes for phantoms, as the arguments of --set. */
function phantomChanges() {
  return Object.entries(PHANTOM_CHANGES.demo)
    .flatMap(([section, changes]) =>
      Object.entries(changes).map(([key, value]) => `\`${section}.${key}=${JSON.stringify(value)}\``),
    )
    .join(' and ');
}

const { properties } = z.toJSONSchema(configSchema, { io: 'input' });
const presets = Object.fromEntries(Object.keys(PRESETS).map((name) => [name, resolveConfig(name)]));

const valueAt = (config, path) => path.split('.').reduce((inner, key) => inner[key], config);

/** The leaves below a node of the JSON schema, with their dotted keys. */
function leaves(node, path) {
  if (!node.properties) return [{ node, path }];
  return Object.entries(node.properties).flatMap(([key, inner]) => leaves(inner, `${path}.${key}`));
}

function range({
  type,
  minimum,
  maximum,
  exclusiveMinimum,
  enum: words,
  anyOf,
  const: only,
  items,
  additionalProperties,
}) {
  if (anyOf) return anyOf.map(range).join(' or ');
  if (words) return words.join(', ');
  if (only !== undefined) return String(only);
  if (items) return `list of ${range(items)}`;
  if (additionalProperties) return `object of ${range(additionalProperties)}`;
  const number = type === 'integer' ? 'whole number' : type;
  const min = exclusiveMinimum === undefined ? minimum : exclusiveMinimum + (type === 'integer' ? 1 : 0);
  const open = exclusiveMinimum !== undefined && type !== 'integer';
  const max = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (min !== undefined && max !== undefined) return `${open ? 'above ' : ''}${min} to ${max}`;
  if (min !== undefined) return `${number}, ${open ? `above ${min}` : `${min} or more`}`;
  return number;
}

function row({ node, path }) {
  const values = Object.fromEntries(
    Object.entries(presets).map(([name, config]) => [name, JSON.stringify(valueAt(config, path))]),
  );
  const difference = (name) => (values[name] === values.demo ? '' : values[name]);
  return `| \`${path}\` | ${values.demo} | ${difference('smoke')} | ${difference('paper')} | ${range(node)} | ${node.description} |`;
}

function section(title, rows) {
  return [
    `## ${title}`,
    '',
    '| key | demo | smoke | paper | values | reason |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows.map(row),
  ].join('\n');
}

const { preset: _, ...settings } = properties;
const runSettings = Object.entries(settings).filter(([, node]) => !node.properties);
const sections = Object.entries(settings).filter(([, node]) => node.properties);
const page = [
  INTRODUCTION,
  section(
    'run',
    runSettings.map(([path, node]) => ({ path, node })),
  ),
  ...sections.map(([name, node]) => section(name, leaves(node, name))),
];
process.stdout.write(`${page.join('\n\n')}\n`);
