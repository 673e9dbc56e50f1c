// Takes docs/console.png: the flow with orders on their way.

import { join } from 'node:path';

import { launch, open } from './browser.mjs';
import { PROJECT, System } from './system.mjs';

const system = await System.start('devhost');
const browser = await launch();
// One of each kind: a refunded order, a declined one, a dead letter.
const lines = (productId, qty) => [{ product_id: productId, qty }];
await system.post('/store/orders', { customer_id: 'ada', lines: lines('hand-grinder', 500) });
await system.post('/store/orders', { customer_id: 'ada', lines: lines('milk-jug', 2), payment: { token: 'tok_decline' } });
for (const [product, qty] of [['teapot', 1], ['espresso-cup', 6], ['sugar-bowl', 2], ['cappuccino-cup', 4]]) {
  await system.post('/store/orders', { customer_id: 'ada', lines: lines(product, qty) });
}
system.command(1, 'XADD', 'order-fulfilled', '*', 'data', '{"order_id":"nobody","lines":[]}');
const { page } = await open(browser, system.base, { viewport: { width: 1440, height: 900 }, colorScheme: 'light' });
await page.getByRole('status').filter({ hasText: 'Everything runs' }).waitFor();
for (const name of ['Place an order', 'Ask for too much', 'Place an order']) {
  await page.getByRole('button', { name }).click();
  await page.waitForTimeout(1000);
}
await page.waitForTimeout(800);
await page.mouse.move(0, 0);
await page.screenshot({ path: join(PROJECT, 'docs/console.png'), caret: 'initial' });
await browser.close();
await system.stop();
process.exit(0);
