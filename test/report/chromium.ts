/** Pages in Debian's chromium. SPINEGRAD_TEST_SCREENSHOTS names a folder for screenshots. */
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

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

export const hasChromium = existsSync(executablePath);

export const launchChromium = (): Promise<Browser> => chromium.launch({ executablePath, args });

/** Collects messages, errors and requests of a page that shows the file at `url`. */
export function watch(page: Page, url: string): string[] {
  const problems: string[] = [];
  page.on('console', (message) => problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith('data:') && request.url() !== url) problems.push(`loads ${request.url()}`);
  });
  return problems;
}

/** Opens all details and measures the page. `outside` has the texts that leave their panel. */
export async function layoutOf(page: Page) {
  return await page.evaluate(() => {
    for (const details of document.querySelectorAll('details')) details.open = true;
    const boxes = [...document.querySelectorAll('svg.panel, figure')].map((element) => {
      const { width, height } = element.getBoundingClientRect();
      return Math.min(width, height);
    });
    const root = document.documentElement;
    return {
      boxes,
      figures: document.querySelectorAll('figure').length,
      overflow: root.scrollWidth - root.clientWidth,
      background: getComputedStyle(document.body).backgroundColor,
      outside: [...document.querySelectorAll('svg.panel')].flatMap((panel) => {
        const frame = panel.getBoundingClientRect();
        return [...panel.querySelectorAll('text')]
          .filter((text) => {
            const box = text.getBoundingClientRect();
            return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
          })
          .map((text) => text.textContent);
      }),
    };
  });
}

export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.SPINEGRAD_TEST_SCREENSHOTS;
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
