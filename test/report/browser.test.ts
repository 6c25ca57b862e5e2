/** The report in Debian's chromium. SPINEGRAD_TEST_SCREENSHOTS names a folder for screenshots. */
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeReport } from '#spinegrad/report/report.js';
import { DEFAULT_TASK, taskOf } from '#spinegrad/tasks/index.js';
import { SPIDER_TASKS } from '#spinegrad/tasks/spider.js';
import { MODIC, PFIRRMANN } from '../tasks/examples.js';
import { hasChromium, launchChromium, layoutOf, screenshot, watch } from './chromium.js';
import { simulatedRun } from './fixture.js';

const CANAL = taskOf(DEFAULT_TASK);
/** One task of each scale column. */
const SPIDER = SPIDER_TASKS.filter(({ id }) => id !== 'spider/pfirrmann_3');
const PARTS = ['rois', 'finetuning', 'predictions', 'errors', 'saliency'];

describe.skipIf(!hasChromium)('the report in a browser', () => {
  let browser: Browser;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'spinegrad-report-'));
    await writeReport(directory, simulatedRun());
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await rm(directory, { recursive: true });
  });

  it.each([
    { name: 'canal', tasks: [CANAL], width: 1280, colorScheme: 'light' },
    { name: 'canal', tasks: [CANAL], width: 1280, colorScheme: 'dark' },
    { name: 'canal', tasks: [CANAL], width: 400, colorScheme: 'light' },
    { name: 'canal', tasks: [CANAL], width: 400, colorScheme: 'dark' },
    { name: 'pfirrmann', tasks: [PFIRRMANN], width: 1280, colorScheme: 'light' },
    { name: 'modic', tasks: [MODIC], width: 400, colorScheme: 'dark' },
    { name: 'spider', tasks: SPIDER, width: 1280, colorScheme: 'light' },
    { name: 'spider', tasks: SPIDER, width: 400, colorScheme: 'dark' },
  ] as const)('$name at $width px, $colorScheme', async ({ name, tasks, width, colorScheme }) => {
    const folder = join(directory, name);
    await mkdir(folder, { recursive: true });
    const input = simulatedRun({ tasks: [...tasks], synthetic: name === 'canal' });
    const url = pathToFileURL(await writeReport(folder, input)).href;
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const problems = watch(page, url);
    await page.goto(url);
    const layout = await layoutOf(page);
    const widths = await page.evaluate(async () => {
      const sources = [...document.querySelectorAll('image')].map((image) => image.getAttribute('href')!);
      return await Promise.all(
        sources.map(async (source) => {
          const image = new Image();
          image.src = source;
          await image.decode();
          return image.naturalWidth;
        }),
      );
    });
    expect(problems).toEqual([]);
    expect(layout.figures).toBe(3 + 4 * tasks.length);
    // Three images of each disc of the saliency figure: one right for each grade, one wrong for all but the last.
    const explained = tasks.map(({ grades }) => 2 * grades.length - 1);
    const saliency = 3 * explained.reduce((sum, discs) => sum + discs, 0);
    expect(widths.length).toBe(6 * tasks[0]!.grades.length + 3 + (3 + 8) * tasks.length + saliency);
    expect(Math.min(...widths)).toBeGreaterThan(0);
    expect(Math.min(...layout.boxes)).toBeGreaterThan(0);
    expect(layout.outside).toEqual([]);
    expect(layout.overflow).toBe(0);
    expect(layout.background).toBe(colorScheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(20, 23, 26)');
    await screenshot(page, `report-${name}-${width}-${colorScheme}`);
    await page.close();
  });

  it.each(['pretraining', 'localization', ...PARTS.map((part) => `rsna_spinal_canal_stenosis-${part}`)])(
    'figures/%s.svg is a valid image',
    async (name) => {
      const page = await browser.newPage({ viewport: { width: 1160, height: 800 } });
      const figure = await readFile(join(directory, 'figures', `${name}.svg`), 'base64');
      await page.setContent(`<body style="margin:0"><img src="data:image/svg+xml;base64,${figure}">`);
      const size = await page.evaluate(async () => {
        const image = document.querySelector('img')!;
        await image.decode();
        return [image.naturalWidth, image.naturalHeight];
      });
      expect(Math.min(...size)).toBeGreaterThan(200);
      await screenshot(page, name);
      await page.close();
    },
  );
});
