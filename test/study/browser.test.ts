/** The report of a study in Debian's chromium. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatStudyCalibration } from '#spinegrad/study/calibrationFile.js';
import { formatCurves } from '#spinegrad/study/curvesFile.js';
import { formatStudyPredictions } from '#spinegrad/study/predictionsFile.js';
import { writeStudyReport } from '#spinegrad/study/report.js';
import { hasChromium, launchChromium, layoutOf, screenshot, watch } from '../report/chromium.js';
import { MODIC, PFIRRMANN } from '../tasks/examples.js';
import {
  calibrateSimulation,
  GRADIENT,
  simulateCurves,
  simulateEmbeddings,
  simulateStudy,
} from './simulate.js';

describe.skipIf(!hasChromium)('the report of a study in a browser', () => {
  let browser: Browser;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'spinegrad-study-'));
    const { facts, lines: raw } = simulateStudy({
      tasks: [PFIRRMANN, MODIC],
      arms: { scratch: 0.8, 'scratch with its own schedule': 0.9, contrastive: 1.6 },
    });
    const { lines, calibration } = calibrateSimulation(raw, facts);
    await writeFile(join(directory, 'calibration.csv'), formatStudyCalibration(calibration));
    await writeFile(join(directory, 'curves.csv'), formatCurves(simulateCurves(facts.cells)));
    const groups = new Map(
      Array.from({ length: 40 }, (_, i) => [
        `p${i}`,
        { scanner: ['SIEMENS Avanto_fit', 'Philips Ingenia'][(i >> 2) % 2]!, fieldStrength: '1.5 T' },
      ]),
    );
    const namesOf = (id: string) =>
      facts.tasks.find((task) => task.id === id)!.grades.map(({ name }) => name);
    await writeFile(join(directory, 'predictions.csv'), formatStudyPredictions(lines, namesOf));
    const resampling = { seed: 1, resamples: 50, permutations: 50 };
    await writeStudyReport(directory, {
      ...{ ...facts, groups, resampling, config: {} },
      embeddings: simulateEmbeddings(lines, facts),
      cropOf: async () => GRADIENT,
    });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await rm(directory, { recursive: true });
  });

  it.each([
    { width: 1280, colorScheme: 'light' },
    { width: 400, colorScheme: 'dark' },
  ] as const)('fits at $width px, $colorScheme', async ({ width, colorScheme }) => {
    const url = pathToFileURL(join(directory, 'report.html')).href;
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const problems = watch(page, url);
    await page.goto(url);
    const { boxes, figures, overflow, outside, background } = await layoutOf(page);
    expect(problems).toEqual([]);
    // Five per task, the validation curves, and two maps.
    expect(figures).toBe(2 * 5 + 3);
    expect(Math.min(...boxes)).toBeGreaterThan(0);
    expect(outside).toEqual([]);
    expect(overflow).toBe(0);
    expect(background).toBe(colorScheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(20, 23, 26)');
    await screenshot(page, `study-${width}-${colorScheme}`);
    await page.close();
  });
});
