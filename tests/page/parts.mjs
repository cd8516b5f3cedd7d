// Parts of the page that answer to a reader: filters beside tables, charts that take the keyboard.

/** Whether the page is held to this. */
export const EXPECTED = false;

/** Problems of the parts; each is missing or does not work. */
export async function check(page) {
  return [...(await filters(page)), ...(await charts(page))];
}

async function filters(page) {
  const fields = await page.$$('input[type=search][data-filter]');
  if (fields.length === 0) return ['no table has a filter (input[type=search][data-filter])'];
  const problems = [];
  for (const field of fields) {
    const name = await field.getAttribute('data-filter');
    const table = page.locator(`table[data-name="${name}"]`);
    const said = page.locator(`output[data-filter="${name}"], :has(> [data-filter="${name}"]) output`).first();
    if ((await table.count()) !== 1) problems.push(`filter ${name}: ${await table.count()} tables of that name`);
    if ((await said.count()) !== 1) problems.push(`filter ${name}: no output beside it says how many rows are left`);
    if (problems.length > 0) continue;
    const rows = () => table.locator('tbody tr').evaluateAll((all) => all.map((row) => ({ text: row.innerText.toLowerCase(), shown: row.offsetParent !== null })));
    const all = await rows();
    const word = all[all.length - 1].text.split(/\s+/)[0];
    await field.fill(word);
    await page.waitForTimeout(200);
    const some = await rows();
    const shown = some.filter((row) => row.shown);
    const fit = all.filter((row) => row.text.includes(word)).length;
    if (shown.length !== fit) problems.push(`filter ${name}: ${JSON.stringify(word)} leaves ${shown.length} rows of ${fit}`);
    if (!(await said.innerText()).includes(String(fit))) problems.push(`filter ${name}: the output says ${JSON.stringify(await said.innerText())}, not ${fit}`);
    await field.fill('no row has this text');
    await page.waitForTimeout(200);
    if ((await rows()).some((row) => row.shown)) problems.push(`filter ${name}: rows stay that do not fit`);
    await field.fill('');
    await page.waitForTimeout(200);
    if ((await rows()).some((row) => !row.shown)) problems.push(`filter ${name}: emptied, it does not show all rows again`);
    if (!(await field.evaluate((element) => element.labels?.length > 0 || element.hasAttribute('aria-label')))) problems.push(`filter ${name}: no label`);
  }
  return problems;
}

async function charts(page) {
  const figures = await page.$$('figure[id^=chart-]');
  const problems = [];
  for (const figure of figures) {
    const id = await figure.getAttribute('id');
    const target = (await figure.$('[tabindex="0"]')) ?? figure;
    await target.focus();
    if (!(await figure.evaluate((element) => element.contains(document.activeElement)))) {
      problems.push(`${id}: cannot be focused`);
      continue;
    }
    await page.keyboard.press('ArrowRight');
    await page.waitForTimeout(100);
    const tip = page.locator('.tip:visible').first();
    if ((await tip.count()) === 0) problems.push(`${id}: the right arrow shows no value (.tip)`);
    else if ((await tip.innerText()).trim() === '') problems.push(`${id}: its value (.tip) is empty`);
    await page.keyboard.press('Escape');
    await target.evaluate((element) => element.blur());
  }
  return problems;
}
