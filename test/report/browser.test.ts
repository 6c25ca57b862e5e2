/** The report in Debian's chromium. SPINEGRAD_TEST_SCREENSHOTS names a folder for screenshots. */
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeReport } from '#spinegrad/report/report.js';
import { DEFAULT_TASK, taskOf } from '#spinegrad/tasks/index.js';
import { SPIDER_TASKS } from '#spinegrad/tasks/spider.js';
import { MODIC, PFIRRMANN } from '../tasks/examples.js';
import { simulatedRun } from './fixture.js';

const CANAL = taskOf(DEFAULT_TASK);
/** One task of each scale column. */
const SPIDER = SPIDER_TASKS.filter(({ id }) => id !== 'spider/pfirrmann_3');
const PARTS = ['finetuning', 'predictions', 'errors'];

const executablePath = '/usr/bin/chromium';
const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

describe.skipIf(!existsSync(executablePath))('the report in a browser', () => {
  let browser: Browser;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'spinegrad-report-'));
    await writeReport(directory, simulatedRun());
    browser = await chromium.launch({ executablePath, args });
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
    const input = simulatedRun({ tasks: [...tasks], synthetic: name === 'canal' });
    const url = pathToFileURL(await writeReport(folder, input)).href;
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const problems: string[] = [];
    page.on('console', (message) => problems.push(message.text()));
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith('data:') && request.url() !== url)
        problems.push(`loads ${request.url()}`);
    });
    await page.goto(url);
    await page.evaluate(() => {
      for (const details of document.querySelectorAll('details')) details.open = true;
    });

    const found = await page.evaluate(async () => {
      const sources = [...document.querySelectorAll('image')].map((image) => image.getAttribute('href')!);
      const widths = await Promise.all(
        sources.map(async (source) => {
          const image = new Image();
          image.src = source;
          await image.decode();
          return image.naturalWidth;
        }),
      );
      const boxes = [...document.querySelectorAll('svg.panel, figure')].map((element) => {
        const { width, height } = element.getBoundingClientRect();
        return Math.min(width, height);
      });
      const root = document.documentElement;
      return {
        widths,
        boxes,
        figures: document.querySelectorAll('figure').length,
        overflow: root.scrollWidth - root.clientWidth,
        background: getComputedStyle(document.body).backgroundColor,
        outside: [...document.querySelectorAll('svg.panel')].flatMap((panel) => {
          const frame = panel.getBoundingClientRect();
          return [...panel.querySelectorAll('text')]
            .filter((text) => {
              const box = text.getBoundingClientRect();
              return (
                box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1
              );
            })
            .map((text) => text.textContent);
        }),
      };
    });
    expect(problems).toEqual([]);
    expect(found.figures).toBe(3 + 3 * tasks.length);
    expect(found.widths.length).toBe(6 * tasks[0]!.grades.length + 3 + (3 + 8) * tasks.length);
    expect(Math.min(...found.widths)).toBeGreaterThan(0);
    expect(Math.min(...found.boxes)).toBeGreaterThan(0);
    expect(found.outside).toEqual([]);
    expect(found.overflow).toBe(0);
    expect(found.background).toBe(colorScheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(20, 23, 26)');
    const shots = process.env.SPINEGRAD_TEST_SCREENSHOTS;
    if (shots)
      await page.screenshot({
        path: join(shots, `report-${name}-${width}-${colorScheme}.png`),
        fullPage: true,
      });
    await page.close();
  });

  it.each([
    'rois',
    'pretraining',
    'localization',
    ...PARTS.map((part) => `rsna_spinal_canal_stenosis-${part}`),
  ])('figures/%s.svg is a valid image', async (name) => {
    const page = await browser.newPage({ viewport: { width: 1160, height: 800 } });
    const figure = await readFile(join(directory, 'figures', `${name}.svg`), 'base64');
    await page.setContent(`<body style="margin:0"><img src="data:image/svg+xml;base64,${figure}">`);
    const size = await page.evaluate(async () => {
      const image = document.querySelector('img')!;
      await image.decode();
      return [image.naturalWidth, image.naturalHeight];
    });
    expect(Math.min(...size)).toBeGreaterThan(200);
    const shots = process.env.SPINEGRAD_TEST_SCREENSHOTS;
    if (shots) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
    await page.close();
  });
});
